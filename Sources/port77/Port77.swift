@main struct Port77 { static func main() {} }

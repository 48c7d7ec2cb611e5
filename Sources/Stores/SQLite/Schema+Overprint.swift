extension Schema {
    /// Lines printed over each other are one line of text since: how long the text of older print-out is has to be counted anew,
    /// by whoever asks for it.
    static let overprint = """
        UPDATE spool_files SET text_octets = -1 WHERE carriage_control <> 'NONE';
        UPDATE unclaimed SET text_octets = -1 WHERE carriage_control <> 'NONE';
        """
}

import Testing
import Wire

struct BlankingTests {
    @Test(arguments: [
        ("/v1/jobs/rje_live_Yd7aQ0bX_0123456789abcdefABCDEF", "/v1/jobs/rje_live_Yd7aQ0bX_***"),
        ("There is no \"rje_t_Yd7aQ0bX_a\".", "There is no \"rje_t_Yd7aQ0bX_***\"."),
        ("rje_live_Yd7aQ0bX_a rje_live_Zd7aQ0bX_b", "rje_live_Yd7aQ0bX_*** rje_live_Zd7aQ0bX_***"),
        ("rje_live_Yd7aQ0bX", "rje_live_Yd7aQ0bX"), ("rje_jobs_total", "rje_jobs_total"),
        ("a=eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln-_ b", "a=eyJ*** b"), ("eyJ", "eyJ"), ("keyJournal", "keyJournal"),
        ("", ""), ("//PAYROLL JOB (1)", "//PAYROLL JOB (1)"),
    ])
    func `credentials in a text are blanked, and nothing else`(_ text: String, _ blanked: String) {
        #expect(Blanking.blanked(text) == blanked)
    }
}

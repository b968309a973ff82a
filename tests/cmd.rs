//! Transcripts of commands: what each says of itself, and how each refuses. `TRYCMD=overwrite` writes them anew.

#[test]
fn commands_say_what_their_transcripts_say() {
    trycmd::TestCases::new().case("tests/cmd/*.trycmd");
}

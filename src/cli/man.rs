//! `man`: one manual page, in which each command has a section.

use std::io::{self, Write as _};

use clap_mangen::Man;

/// The page in roff.
///
/// # Errors
/// Never: the page is written to memory.
pub(super) fn page(command: clap::Command) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut command = command.disable_help_subcommand(true);
    Man::new(command.clone()).render(&mut text)?;
    command.build();
    for_each_leaf(&command, &mut |command| section(command, &mut text))?;
    Ok(text)
}

/// Commands that do something, as against those that only group others.
fn for_each_leaf(
    command: &clap::Command,
    act: &mut impl FnMut(&clap::Command) -> io::Result<()>,
) -> io::Result<()> {
    for command in command.get_subcommands() {
        if command.has_subcommands() {
            for_each_leaf(command, act)?;
        } else {
            act(command)?;
        }
    }
    Ok(())
}

/// What a page of the command's own would say, one level deeper; options of all commands stand above already.
fn section(command: &clap::Command, text: &mut Vec<u8>) -> io::Result<()> {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    writeln!(text, ".SH \"{}\"", name.to_uppercase())?;
    let own = command.clone().mut_args(|argument| {
        let common =
            argument.is_global_set() || matches!(argument.get_id().as_str(), "help" | "version");
        argument.hide(common)
    });
    let has_options = own.get_arguments().any(|argument| !argument.is_hide_set());
    let (man, mut sections) = (Man::new(own), Vec::new());
    man.render_description_section(&mut sections)?;
    man.render_synopsis_section(&mut sections)?;
    if has_options {
        man.render_options_section(&mut sections)?;
    }
    man.render_extra_section(&mut sections)?;
    for line in String::from_utf8_lossy(&sections).lines() {
        match line.strip_prefix(".SH ") {
            Some("EXTRA") => text.extend(b".SS EXAMPLES\n"),
            Some(heading) => writeln!(text, ".SS {heading}")?,
            // The preamble that each piece begins with stands at the top.
            None => writeln!(text, "{line}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn every_command_has_its_section_with_all_its_options() {
        let mut command = crate::cli::Cli::command().disable_help_subcommand(true);
        let page = String::from_utf8(page(command.clone()).unwrap()).unwrap();
        command.build();
        let mut commands = 0;
        for_each_leaf(&command, &mut |command| {
            let name = command.get_bin_name().unwrap();
            let heading = format!(".SH \"{}\"\n", name.to_uppercase());
            let (_, section) = page
                .split_once(&heading)
                .unwrap_or_else(|| panic!("no {heading}"));
            let section = section.split("\n.SH ").next().unwrap();
            for option in command.get_arguments().filter_map(|one| one.get_long()) {
                let common = matches!(option, "config" | "output" | "help" | "version");
                let written = format!("\\-\\-{}", option.replace('-', "\\-"));
                assert!(
                    common || section.contains(&written),
                    "{name} {option}: {section}"
                );
            }
            commands += 1;
            Ok(())
        })
        .unwrap();
        assert!(commands > 25, "only {commands}");
        assert_eq!(page.matches(".TH ").count(), 1);
    }
}

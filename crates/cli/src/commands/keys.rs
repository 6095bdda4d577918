//! `sutura keys`: make a key file, show key ids.

use serde_json::json;
use sutura_privacy::KeyRing;

use crate::{
    args::KeysCommand,
    failure::{CLEAN, Outcome},
    output::{self, Console},
};

/// Runs the command.
pub(crate) fn run(command: &KeysCommand, console: Console) -> Outcome {
    match command {
        KeysCommand::New { file } => {
            let ring = KeyRing::generate()?;
            ring.save_new(file)?;
            output::print(&format!("{}\n", ring.key_id()))?;
            console.note(&format!(
                "wrote {} (readable by you only); keep a copy in a safe place: without it no pseudonym, shift or encrypted value can be made again or read",
                file.display()
            ));
        }
        KeysCommand::Show { file, json } => {
            let ring = KeyRing::from_file(file)?;
            if *json {
                output::print_json(&json!({ "active": ring.key_id(), "keys": ring.key_ids() }))?;
            } else {
                let mut text = format!("{} (active)\n", ring.key_id());
                for id in ring.key_ids().iter().skip(1) {
                    text.push_str(id);
                    text.push('\n');
                }
                output::print(&text)?;
            }
        }
    }
    Ok(CLEAN)
}

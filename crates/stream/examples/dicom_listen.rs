//! A receiver to try: `dicom_listen FOLDER PORT`, takes everything from this machine until its standard input ends, then prints its counts.
#![allow(clippy::print_stdout)]

use std::{error::Error, io::Read, thread};

use sutura_stream::{
    StopToken,
    dicom::listener::{Listener, ListenerConfig},
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(port)) = (arguments.next(), arguments.next()) else { return Err("dicom_listen FOLDER PORT".into()) };
    let config = ListenerConfig {
        folder: folder.into(),
        address: format!("127.0.0.1:{port}"),
        allow_any_called: true,
        allow_any_calling: true,
        ..ListenerConfig::default()
    };
    let listener = Listener::bind(config)?;
    println!("listening on {}", listener.address());
    let stop = StopToken::new();
    thread::spawn({
        let stop = stop.clone();
        move || {
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            stop.stop();
        }
    });
    let counts = listener.run(&stop)?;
    println!("{counts:#?}");
    Ok(())
}

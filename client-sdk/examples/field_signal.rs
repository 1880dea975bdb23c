//! Reports from the field: publishes one signal and prints its receipt, which means that it is on the relay's disk.
//!
//! `field_signal --context DIR --as field [CHANNEL [TEXT]]`
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use vigie_client::proto::cap::Urgency;
use vigie_client::proto::severity::Severity;
use vigie_client::{Context, Draft, Live, PublishError};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let mut option = |name: &str| {
        let at = args.iter().position(|arg| arg == name)?;
        args.drain(at..args.len().min(at + 2)).nth(1)
    };
    let (context, name) = (option("--context").ok_or("--context DIR")?, option("--as").ok_or("--as NAME")?);
    let mut rest = args.into_iter();
    let channel = rest.next().unwrap_or_else(|| "signal/fr.idf.75.paris".to_owned()).parse()?;
    let text = rest.next().unwrap_or_else(|| "Arbre tombé, quai de Valmy, chaussée bloquée".to_owned());

    let client = Context::open(context)?.client::<Live>(&name)?;
    let draft = Draft::line(channel, Severity::Minor, text, "fr-FR", Urgency::Immediate);
    // Signed once: whatever happens to the line, the same bytes are sent again, and the relay counts them once.
    let message = client.sign(draft)?;
    let receipt = loop {
        match client.publish_signed(&message).await {
            Ok(receipt) => break receipt,
            Err(PublishError::Unknown { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    };
    println!("{} is at {} of log {}", receipt.id, receipt.seq, receipt.log);
    Ok(())
}

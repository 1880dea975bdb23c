//! Prints the alerts that concern a place, verified: what a siren or a screen would be driven by.
//!
//! `alert_listener --context DIR --as town [--count N] alert/fr.idf.75.paris`
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "printing is what it is for")]

use vigie_client::proto::frame::Start;
use vigie_client::{Context, Delivery, Live};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let mut option = |name: &str| {
        let at = args.iter().position(|arg| arg == name)?;
        args.drain(at..args.len().min(at + 2)).nth(1)
    };
    let (context, name) = (option("--context").ok_or("--context DIR")?, option("--as").ok_or("--as NAME")?);
    let mut left: usize = option("--count").map_or(Ok(usize::MAX), |count| count.parse())?;
    let filters = args.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;

    let client = Context::open(context)?.client::<Live>(&name)?;
    let mut alerts = client.subscribe(filters, Start::Beginning);
    while left > 0 {
        match alerts.next().await {
            Some(Delivery::Message(alert)) => {
                let (message, author) = (alert.message(), alert.author());
                let headline = message.content.cap.headline("fr").unwrap_or_default();
                // Quoted, because strangers' text may hold characters that steer a terminal.
                println!("{} {} {headline:?} by {author}", message.severity, message.channel);
                alerts.commit(&alert.cursor()).await?;
                left -= 1;
            }
            Some(Delivery::Suspect(suspect)) => eprintln!("not verified, do not act on it: {}", suspect.code),
            Some(Delivery::Gap(gap)) => eprintln!("alerts may have been missed: {}", gap.reason.as_str()),
            Some(Delivery::CaughtUp(_)) => eprintln!("caught up, listening"),
            Some(_) => {}
            None => return Err(alerts.end_reason().cloned().ok_or("ended")?.into()),
        }
    }
    Ok(())
}

//! CAP from XML: what is taken is valid, and comes back from our own XML as the same alert.

use vigie_client::cap::{
    INPUT_BYTES_MAX, ImportError, ImportOptions, Imported, examine, export, import, import_all,
};
use vigie_proto::cap::Alert;

use crate::{Outcome, plant};

/// A file.
pub fn cap_xml(data: &[u8]) -> Outcome {
    let lines = data.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
    let exists = |line: u32| (1..=lines).contains(&(line as usize));
    let options = ImportOptions::default();
    // What is read once more is read of some inputs only.
    let again = data.len().is_multiple_of(4);
    let examined = match examine(data, &options) {
        Ok(examined) => examined,
        Err(error) => {
            assert!(exists(error.line), "{error}");
            assert!(error.to_string().len() < 1024, "{error}");
            assert!(!again || import_all(data, &options).is_err());
            return Outcome::Refused;
        }
    };
    assert!(!examined.is_empty());
    if again {
        let taken = import_all(data, &options).expect("what can be examined can be imported");
        let alerts = |taken: Result<Imported, ImportError>| taken.map(|taken| taken.alert).ok();
        let taken: Vec<Option<Alert>> = taken.into_iter().map(alerts).collect();
        let found: Vec<Option<Alert>> = examined.iter().map(|one| one.alert.clone().ok()).collect();
        assert_eq!(found, taken);
    }
    let mut outcome = Outcome::Refused;
    for one in &examined {
        assert!(one.warnings.iter().all(|warning| exists(warning.line)), "{:?}", one.warnings);
        match &one.alert {
            Ok(alert) => {
                assert_eq!(alert.validate(), Ok(()));
                let xml = export(alert).expect("what is valid can be written");
                if xml.len() <= INPUT_BYTES_MAX {
                    assert_eq!(&import(xml.as_bytes()).expect("our own XML").alert, alert);
                }
                plant::inside("cap_xml", || alert.info.iter().any(|info| info.area.len() == 3));
                outcome = Outcome::Taken;
            }
            Err(faults) => {
                assert!(!faults.is_empty() && faults.iter().all(|fault| exists(fault.line)), "{faults:?}");
            }
        }
    }
    outcome
}

//! CAP from XML: what is taken is valid, and comes back from our own XML as the same alert.

use vigie_client::cap::{INPUT_BYTES_MAX, ImportOptions, examine, export, import, import_all};

use crate::{Outcome, plant};

/// A file.
pub fn cap_xml(data: &[u8]) -> Outcome {
    let lines = data.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
    let exists = |line: u32| (1..=lines).contains(&(line as usize));
    let options = ImportOptions::default();
    let examined = match examine(data, &options) {
        Ok(examined) => examined,
        Err(error) => {
            assert!(exists(error.line), "{error}");
            assert!(error.to_string().len() < 1024, "{error}");
            assert!(import_all(data, &options).is_err());
            return Outcome::Refused;
        }
    };
    assert!(!examined.is_empty());
    let taken = import_all(data, &options).expect("what can be examined can be imported");
    assert_eq!(examined.len(), taken.len());
    let mut outcome = Outcome::Refused;
    for (one, taken) in examined.iter().zip(taken) {
        assert!(one.warnings.iter().all(|warning| exists(warning.line)), "{:?}", one.warnings);
        match &one.alert {
            Ok(alert) => {
                assert_eq!(taken.as_ref().map(|taken| &taken.alert).ok(), Some(alert));
                assert_eq!(alert.validate(), Ok(()));
                let xml = export(alert).expect("what is valid can be written");
                if xml.len() <= INPUT_BYTES_MAX {
                    assert_eq!(&import(xml.as_bytes()).expect("our own XML").alert, alert);
                }
                plant::inside("cap_xml", || alert.info.iter().any(|info| info.area.len() == 3));
                outcome = Outcome::Taken;
            }
            Err(faults) => {
                assert!(taken.is_err());
                assert!(!faults.is_empty() && faults.iter().all(|fault| exists(fault.line)), "{faults:?}");
            }
        }
    }
    outcome
}

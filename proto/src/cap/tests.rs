//! The model against JSON: fixed bytes, strict reading, and what a message asks of it.

mod properties;

use super::*;
use crate::channel::Plane;
use crate::severity::Severity as MessageSeverity;

fn line() -> Alert {
    Alert::from_headline(&Headline {
        plane: Plane::Live,
        identifier: "2026-0042",
        sender: "codis75@idf.example",
        sent: "2026-06-01T10:00:00+02:00",
        language: "fr-FR",
        text: "Crue de la Seine : voies sur berges fermées",
        severity: MessageSeverity::Moderate,
        urgency: Urgency::Expected,
        area: "Paris",
        restriction: None,
    })
}

fn json(alert: &Alert) -> serde_json::Value {
    serde_json::to_value(alert).unwrap()
}

fn with_infos(infos: &[(&str, Severity, Urgency)]) -> Alert {
    let mut alert = line();
    let blank = alert.info.remove(0);
    alert.info = infos
        .iter()
        .map(|&(language, severity, urgency)| Info {
            language: (!language.is_empty()).then(|| language.to_owned()),
            headline: Some(format!("headline {language}")),
            severity,
            urgency,
            ..blank.clone()
        })
        .collect();
    alert
}

#[test]
fn a_line_has_exactly_these_bytes() {
    let expected = concat!(
        r#"{"identifier":"2026-0042","sender":"codis75@idf.example","sent":"2026-06-01T10:00:00+02:00","#,
        r#""status":"Actual","msgType":"Alert","scope":"Public","info":[{"language":"fr-FR","category":["Safety"],"#,
        r#""event":"Crue de la Seine : voies sur berges fermées","urgency":"Expected","severity":"Moderate","#,
        r#""certainty":"Observed","headline":"Crue de la Seine : voies sur berges fermées","#,
        r#""area":[{"areaDesc":"Paris"}]}]}"#,
    );
    assert_eq!(serde_json::to_string(&line()).unwrap(), expected);
    assert_eq!(line().validate(), Ok(()));
}

#[test]
fn a_line_with_a_rule_is_restricted_and_an_exercise_says_so() {
    let alert = Alert::from_headline(&Headline {
        plane: Plane::Exercise,
        identifier: "EX-1",
        sender: "sdis33@example",
        sent: "2026-06-01T10:00:00-00:00",
        language: "fr",
        text: "Exercice : feu de forêt",
        severity: MessageSeverity::Extreme,
        urgency: Urgency::Immediate,
        area: "Landiras",
        restriction: Some("TLP:AMBER"),
    });
    assert_eq!((alert.status, alert.scope), (Status::Exercise, Scope::Restricted));
    assert_eq!(alert.restriction.as_deref(), Some("TLP:AMBER"));
    assert_eq!(alert.plane(), Some(Plane::Exercise));
    assert_eq!(alert.severity_floor(), Some(MessageSeverity::Extreme));
    assert_eq!(alert.validate(), Ok(()));
}

/// Every member, in the order of the schema.
const WHOLE: &str = concat!(
    r#"{"identifier":"i","sender":"s","sent":"2026-06-01T10:00:00-00:00","status":"System","msgType":"Update","#,
    r#""source":"a","scope":"Private","restriction":"b","addresses":"c","code":["d","e"],"note":"f","#,
    r#""references":"g","incidents":"h","info":[{"language":"fr","category":["CBRNE","Other"],"event":"i","#,
    r#""responseType":["AllClear","None"],"urgency":"Past","severity":"Unknown","certainty":"Unlikely","#,
    r#""audience":"j","eventCode":[{"valueName":"k","value":""}],"effective":"2026-06-01T10:00:00-00:00","#,
    r#""onset":"2026-06-01T10:00:00+00:00","expires":"2026-06-01T24:00:00+02:00","senderName":"l","#,
    r#""headline":"m","description":"n","instruction":"o","web":"p","contact":"q","#,
    r#""parameter":[{"valueName":"r","value":"s"}],"resource":[{"resourceDesc":"t","mimeType":"u","size":"0010","#,
    r#""uri":"v","derefUri":"w","digest":"x"}],"area":[{"areaDesc":"","polygon":["y"],"circle":["z"],"#,
    r#""geocode":[{"valueName":"1","value":"2"}],"altitude":"-0.50","ceiling":"3"}]}]}"#,
);

#[test]
fn every_member_in_the_order_of_the_schema() {
    let alert: Alert = serde_json::from_str(WHOLE).unwrap();
    assert_eq!(serde_json::to_string(&alert).unwrap(), WHOLE);
    assert_eq!(alert.validate(), Ok(()));
}

#[test]
fn unknown_members_are_refused_at_every_level() {
    let whole: Alert = {
        let mut alert = line();
        alert.info[0].parameter = vec![ValuePair { value_name: "n".into(), value: "v".into() }];
        alert.info[0].resource = vec![Resource {
            resource_desc: "carte".into(),
            mime_type: "image/png".into(),
            size: None,
            uri: None,
            deref_uri: None,
            digest: None,
        }];
        alert
    };
    for path in ["", "/info/0", "/info/0/parameter/0", "/info/0/resource/0", "/info/0/area/0"] {
        let mut value = json(&whole);
        let object = value.pointer_mut(path).unwrap().as_object_mut().unwrap();
        object.insert("comment".to_owned(), "x".into());
        let error = serde_json::from_value::<Alert>(value).unwrap_err().to_string();
        assert!(error.contains("unknown field `comment`"), "{path}: {error}");
    }
}

#[test]
fn second_spellings_are_refused() {
    let good = serde_json::to_string(&line()).unwrap();
    assert!(serde_json::from_str::<Alert>(&good).is_ok());
    for (from, to) in [
        (r#""status":"Actual""#, r#""status":{"Actual":null}"#),
        (r#""status":"Actual""#, r#""status":"actual""#),
        (r#""status":"Actual""#, r#""status":"Actual","status":"Actual""#),
        (r#""scope":"Public""#, r#""scope":"Public","note":null"#),
        (r#""scope":"Public""#, r#""scope":"Public","code":[]"#),
        (r#""scope":"Public""#, r#""scope":"Public","code":"x""#),
        (r#"[{"areaDesc":"Paris"}]"#, "[]"),
        (r#"[{"areaDesc":"Paris"}]"#, r#"[["Paris"]]"#),
        (r#"[{"areaDesc":"Paris"}]"#, r#"{"areaDesc":"Paris"}"#),
        (r#""identifier":"2026-0042","#, ""),
        (r#""category":["Safety"],"#, ""),
        (r#""category":["Safety"]"#, r#""category":[]"#),
    ] {
        assert!(good.contains(from), "{from}");
        let bad = good.replace(from, to);
        assert!(serde_json::from_str::<Alert>(&bad).is_err(), "{bad}");
    }
}

#[test]
fn an_alert_as_an_array_is_refused_where_an_object_is_asked_for() {
    let array = r#"["i","s","2026-06-01T10:00:00+02:00","Actual","Alert"]"#;
    let error = object::<_, Alert>(&mut serde_json::Deserializer::from_str(array)).unwrap_err().to_string();
    assert!(error.contains("expected an object"), "{error}");
    let text = serde_json::to_string(&line()).unwrap();
    assert_eq!(object::<_, Alert>(&mut serde_json::Deserializer::from_str(&text)).unwrap(), line());
}

#[test]
fn codes_have_one_spelling() {
    fn check<T>(all: &[T], count: usize)
    where
        T: Copy + std::fmt::Debug + PartialEq + std::str::FromStr<Err = UnknownCode> + std::fmt::Display,
    {
        assert_eq!(all.len(), count);
        for code in all {
            let text = code.to_string();
            assert_eq!(text.parse(), Ok(*code));
            for wrong in [text.to_lowercase(), format!(" {text}"), format!("{text} ")] {
                assert!(wrong.parse::<T>().is_err(), "{wrong}");
            }
        }
    }
    check(Status::ALL, 5);
    check(MsgType::ALL, 5);
    check(Scope::ALL, 3);
    check(Category::ALL, 12);
    check(ResponseType::ALL, 9);
    check(Urgency::ALL, 5);
    check(Severity::ALL, 5);
    check(Certainty::ALL, 5);
}

#[test]
fn the_status_decides_the_plane() {
    for (status, plane) in [
        (Status::Actual, Some(Plane::Live)),
        (Status::System, Some(Plane::Live)),
        (Status::Exercise, Some(Plane::Exercise)),
        (Status::Test, Some(Plane::Exercise)),
        (Status::Draft, None),
    ] {
        assert_eq!(Alert { status, ..line() }.plane(), plane, "{status}");
    }
}

#[test]
fn the_severity_floor_is_the_highest_and_unknown_counts_as_severe() {
    let floor = |severities: &[Severity]| {
        let infos: Vec<_> = severities.iter().map(|&severity| ("fr", severity, Urgency::Past)).collect();
        with_infos(&infos).severity_floor()
    };
    assert_eq!(floor(&[]), None);
    assert_eq!(floor(&[Severity::Minor]), Some(MessageSeverity::Minor));
    assert_eq!(floor(&[Severity::Unknown]), Some(MessageSeverity::Severe));
    assert_eq!(floor(&[Severity::Unknown, Severity::Extreme]), Some(MessageSeverity::Extreme));
    assert_eq!(
        floor(&[Severity::Minor, Severity::Moderate, Severity::Minor]),
        Some(MessageSeverity::Moderate)
    );
}

#[test]
fn any_info_that_asks_for_action_soon_makes_the_timing_urgent() {
    for (urgencies, urgent) in [
        (&[][..], false),
        (&[Urgency::Future, Urgency::Past, Urgency::Unknown], false),
        (&[Urgency::Past, Urgency::Expected], true),
        (&[Urgency::Immediate], true),
    ] {
        let infos: Vec<_> = urgencies.iter().map(|&urgency| ("fr", Severity::Minor, urgency)).collect();
        assert_eq!(with_infos(&infos).is_urgent_timing(), urgent, "{urgencies:?}");
    }
}

#[test]
fn the_account_shown_is_the_nearest_in_language() {
    let cases: &[(&[&str], &str, &str)] = &[
        (&["en-GB", "fr-FR"], "fr", "fr-FR"),
        (&["en-GB", "fr-FR"], "FR-fr", "fr-FR"),
        (&["fr-FR", "fr-CA"], "fr-CA", "fr-CA"),
        (&["en-GB", "fr-FR"], "fr-CA", "fr-FR"),
        (&["fr-CA", "fr"], "fr", "fr"),
        (&["fr-CA-x-joual", "fr-FR", "fr-CA"], "fr-CA", "fr-CA"),
        (&["fr-FR", "bm"], "bm-ML", "bm"),
        (&["fr-FR", "bm"], "bm", "bm"),
        (&["de-DE", "fr-FR"], "en", "de-DE"),
        (&["fr-FR", ""], "en", ""),
        (&["fro", "fr_FR"], "fr", "fr_FR"),
    ];
    for (languages, wanted, found) in cases {
        let infos: Vec<_> =
            languages.iter().map(|&language| (language, Severity::Minor, Urgency::Past)).collect();
        let alert = with_infos(&infos);
        assert_eq!(
            alert.headline(wanted),
            Some(format!("headline {found}").as_str()),
            "{languages:?} {wanted}"
        );
    }
    assert_eq!(with_infos(&[]).headline("fr"), None);
}

#[test]
fn without_a_headline_the_event_is_shown() {
    for headline in [None, Some(String::new()), Some(" \n".to_owned())] {
        let mut alert = line();
        alert.info[0].event = "crue".to_owned();
        alert.info[0].headline = headline;
        assert_eq!(alert.headline("fr"), Some("crue"));
    }
}

#[test]
fn faults_name_their_element() {
    type Spoil = fn(&mut Alert);
    let pair = |name: &str| ValuePair { value_name: name.to_owned(), value: String::new() };
    let cases: Vec<(Spoil, &str)> = vec![
        (|alert| alert.identifier.clear(), "CAP identifier is empty"),
        (|alert| alert.sender = " ".into(), "CAP sender is empty"),
        (|alert| alert.sent = "2026-06-01T10:00:00Z".into(), "CAP sent is not a date"),
        (|alert| alert.info[0].category.clear(), "CAP category is missing"),
        (|alert| alert.info[0].event = "\t".into(), "CAP event is empty"),
        (|alert| alert.info[0].effective = Some("demain".into()), "CAP effective is not a date"),
        (|alert| alert.info[0].onset = Some("demain".into()), "CAP onset is not a date"),
        (
            |alert| alert.info[0].expires = Some("2026-02-30T00:00:00+01:00".into()),
            "CAP expires is not a date",
        ),
    ];
    for (spoil, message) in cases {
        let mut alert = line();
        spoil(&mut alert);
        let fault = alert.validate().unwrap_err().to_string();
        assert!(fault.starts_with(message), "{fault}");
    }
    for place in ["eventCode", "parameter", "geocode"] {
        let mut alert = line();
        match place {
            "eventCode" => alert.info[0].event_code = vec![pair("ok"), pair("")],
            "parameter" => alert.info[0].parameter = vec![pair("")],
            _ => alert.info[0].area[0].geocode = vec![pair("")],
        }
        assert_eq!(alert.validate(), Err(Fault::Empty { element: "valueName" }), "{place}");
    }
}

#[test]
fn every_text_is_one_that_xml_can_carry() {
    let whole: serde_json::Value = serde_json::from_str(WHOLE).unwrap();
    let mut texts = Vec::new();
    strings_of(&whole, String::new(), &mut texts);
    let mut spoilt = 0;
    for path in texts {
        let with = |text: &str| {
            let mut value = whole.clone();
            *value.pointer_mut(&path).unwrap() = text.into();
            serde_json::from_value::<Alert>(value)
        };
        let Ok(alert) = with("a\u{1b}b") else { continue }; // a code
        let found = alert.validate().unwrap_err();
        let element = path.split('/').rfind(|part| part.parse::<usize>().is_err()).unwrap();
        if ["sent", "effective", "onset", "expires"].contains(&element) {
            assert!(
                matches!(found, Fault::DateTime { element: named } if named == element),
                "{path}: {found}"
            );
        } else {
            let is_it =
                matches!(found, Fault::Character { element: named, code_point: 0x1b } if named == element);
            assert!(is_it, "{path}: {found}");
            assert_eq!(with("a\u{85}\u{202e}b").unwrap().validate(), Ok(()), "{path}");
            spoilt += 1;
        }
    }
    assert_eq!(spoilt, 36);
}

/// Where the strings of a value are, as JSON pointers.
fn strings_of(value: &serde_json::Value, path: String, found: &mut Vec<String>) {
    if value.is_string() {
        found.push(path);
    } else if let Some(members) = value.as_object() {
        members.iter().for_each(|(name, inner)| strings_of(inner, format!("{path}/{name}"), found));
    } else if let Some(items) = value.as_array() {
        items.iter().enumerate().for_each(|(at, inner)| strings_of(inner, format!("{path}/{at}"), found));
    }
}

#[test]
fn each_bound_holds_at_its_edge() {
    type Grow = fn(&mut Alert, usize);
    let grow: Vec<(&str, usize, Grow)> = vec![
        ("code", bounds::CODES_MAX, |alert, n| alert.code = vec!["c".into(); n]),
        ("info", bounds::INFOS_MAX, |alert, n| alert.info = vec![alert.info[0].clone(); n]),
        ("category", bounds::CATEGORIES_MAX, |alert, n| alert.info[0].category = vec![Category::Geo; n]),
        ("responseType", bounds::RESPONSE_TYPES_MAX, |alert, n| {
            alert.info[0].response_type = vec![ResponseType::None; n];
        }),
        ("eventCode", bounds::EVENT_CODES_MAX, |alert, n| alert.info[0].event_code = pairs(n)),
        ("parameter", bounds::PARAMETERS_MAX, |alert, n| alert.info[0].parameter = pairs(n)),
        ("resource", bounds::RESOURCES_MAX, |alert, n| {
            let resource = Resource {
                resource_desc: "photo".into(),
                mime_type: "image/jpeg".into(),
                size: None,
                uri: None,
                deref_uri: None,
                digest: None,
            };
            alert.info[0].resource = vec![resource; n];
        }),
        ("area", bounds::AREAS_MAX, |alert, n| alert.info[0].area = vec![alert.info[0].area[0].clone(); n]),
        ("polygon", bounds::POLYGONS_MAX, |alert, n| alert.info[0].area[0].polygon = vec!["p".into(); n]),
        ("circle", bounds::CIRCLES_MAX, |alert, n| alert.info[0].area[0].circle = vec!["c".into(); n]),
        ("geocode", bounds::GEOCODES_MAX, |alert, n| alert.info[0].area[0].geocode = pairs(n)),
    ];
    for (element, max, grow) in grow {
        let mut alert = line();
        grow(&mut alert, max);
        assert_eq!(alert.validate(), Ok(()), "{element}");
        grow(&mut alert, max + 1);
        assert_eq!(alert.validate(), Err(Fault::TooMany { element, found: max + 1, max }));
    }
}

fn pairs(count: usize) -> Vec<ValuePair> {
    vec![ValuePair { value_name: "n".to_owned(), value: "v".to_owned() }; count]
}

//! How texts, codes, encodings and bounds are read.

use vigie_client::cap::{DEPTH_MAX, ELEMENTS_MAX, INPUT_BYTES_MAX, ImportError, Imported, import};
use vigie_proto::cap::{MsgType, Scope, Severity, Status, bounds};
use vigie_proto::channel::Plane;

use crate::fixtures::warnings;
use crate::{fixture, good, one_info};

#[test]
fn status_type_and_scope_are_taken() {
    for (name, status, msg_type, scope, plane) in [
        ("crue-seine.xml", Status::Actual, MsgType::Alert, Scope::Public, Some(Plane::Live)),
        ("crue-seine-update.xml", Status::Actual, MsgType::Update, Scope::Public, Some(Plane::Live)),
        ("crue-seine-cancel.xml", Status::Actual, MsgType::Cancel, Scope::Public, Some(Plane::Live)),
        ("ack.xml", Status::Actual, MsgType::Ack, Scope::Private, Some(Plane::Live)),
        ("error.xml", Status::System, MsgType::Error, Scope::Private, Some(Plane::Live)),
        ("restricted.xml", Status::Actual, MsgType::Alert, Scope::Restricted, Some(Plane::Live)),
        ("exercise.xml", Status::Exercise, MsgType::Alert, Scope::Public, Some(Plane::Exercise)),
        ("test.xml", Status::Test, MsgType::Alert, Scope::Public, Some(Plane::Exercise)),
        ("draft.xml", Status::Draft, MsgType::Alert, Scope::Public, None),
    ] {
        let alert = good(name);
        assert_eq!((alert.status, alert.msg_type, alert.scope), (status, msg_type, scope), "{name}");
        assert_eq!(alert.plane(), plane, "{name}");
    }
    assert_eq!(good("unknown-severity.xml").info[0].severity, Severity::Unknown);
    assert_eq!(
        good("bamako-inondation.xml").headline("bm-ML"),
        Some("Sanjiba Bamakɔ : aw ka bɔ Joliba da la")
    );
}

#[test]
fn free_text_is_kept_exactly_and_tokens_are_trimmed() {
    let alert = good("white-space.xml");
    assert_eq!((alert.identifier.as_str(), alert.sender.as_str()), ("ROUTE-2026-6", "cir@routes.example"));
    assert_eq!(alert.sent, "2026-12-24T17:00:00+01:00");
    let info = &alert.info[0];
    assert_eq!(info.language.as_deref(), Some("fr-FR"));
    assert_eq!(info.web.as_deref(), Some("https://routes.example/a75"));
    assert_eq!(info.headline.as_deref(), Some(" A75 : poids lourds arrêtés "));
    let description = "\n  Premier paragraphe.\n\n  Second, après une ligne vide.\n    ";
    assert_eq!(info.description.as_deref(), Some(description));
    let area = &info.area[0];
    assert_eq!(area.area_desc, "\n        Lozère\n      ");
    assert_eq!(area.polygon, ["\n        44.5,3.2 44.6,3.3\n        44.7,3.2 44.5,3.2\n      "]);
    assert_eq!((area.geocode[0].value_name.as_str(), area.geocode[0].value.as_str()), ("INSEE", " 48 "));
    assert_eq!(area.altitude.as_deref(), Some("3000"));
}

#[test]
fn cdata_comments_and_references_become_text() {
    let info = &good("cdata-and-references.xml").info[0];
    assert_eq!(info.headline.as_deref(), Some("Fuite de gaz <rue Monge> & alentours"));
    let description = "Concentration > 20 % & vent < 5 km/h\u{a0}: périmètre de 200\u{202f}m. \
                       \"Ne fumez pas\", n'allumez rien. 🔥";
    assert_eq!(info.description.as_deref(), Some(description));
}

#[test]
fn numbers_and_embedded_files_are_kept_as_written() {
    let resources = &good("embedded-resource.xml").info[0].resource;
    assert_eq!(resources[0].digest.as_deref().map(str::len), Some(40));
    assert!(resources[0].deref_uri.as_deref().unwrap().starts_with("\niVBORw0KGgo"));
    assert_eq!(resources[1].size.as_deref(), Some("0010240"));
    assert_eq!(resources[1].uri.as_deref(), Some("https://alerte.example/enlevement.ogg"));
    assert_eq!(good("bamako-inondation.xml").sent, "2026-08-24T07:30:00-00:00");
    let area = &good("feu-de-foret.xml").info[0].area[1];
    assert_eq!((area.altitude.as_deref(), area.ceiling.as_deref()), (Some("0"), Some("3500.0")));
}

#[test]
fn encodings_give_the_same_text() {
    let headline = |name: &str| good(name).info[0].headline.clone().unwrap();
    assert_eq!(headline("seveso-iso-8859-1.xml"), "Incendie dans une usine classée à Rouen : abritez-vous");
    assert_eq!(headline("iso-8859-15.xml"), "Paiements de plus de 50 € refusés, cœur du réseau en panne");
    assert_eq!(headline("utf-8-bom.xml"), "Reprise des circulations à Évreux");
    assert_eq!(headline("utf-16.xml"), "Arrêt des circulations entre Évreux et Caen");
    assert_eq!(
        headline("declares-utf-16.xml"),
        "Eau non potable à Châteauroux : ne pas boire l'eau du robinet"
    );
}

#[test]
fn utf_16_in_all_its_forms() {
    let text = String::from_utf8(fixture("crue-seine.xml")).unwrap().replace("UTF-8", "utf-16");
    let expected = good("crue-seine.xml");
    for order in [u16::to_le_bytes, u16::to_be_bytes] {
        for mark in ["\u{feff}", ""] {
            let bytes: Vec<u8> = format!("{mark}{text}").encode_utf16().flat_map(order).collect();
            let imported = import(&bytes).unwrap();
            assert_eq!(imported.alert, expected);
            assert!(imported.warnings.is_empty());

            let odd = import(&bytes[..bytes.len() - 1]).unwrap_err();
            assert_eq!(odd.code(), "bad_encoding");
        }
        let lying: Vec<u8> =
            format!("\u{feff}{}", text.replace("utf-16", "utf-8")).encode_utf16().flat_map(order).collect();
        assert_eq!(warnings(&import(&lying).unwrap()), ["1 encoding_mismatch utf-8"]);
    }
}

fn code_of(result: &Result<Imported, ImportError>) -> &'static str {
    result.as_ref().map_or_else(ImportError::code, |_| "ok")
}

#[test]
fn bounds_hold_at_their_edge() {
    let parameter = "<parameter><valueName>n</valueName><value>v</value></parameter>";
    assert_eq!(code_of(&import(&one_info(&parameter.repeat(bounds::PARAMETERS_MAX)))), "ok");
    assert_eq!(code_of(&import(&one_info(&parameter.repeat(bounds::PARAMETERS_MAX + 1)))), "too_many");

    // alert, six of its own and info, then five of info's own: 13 elements around.
    let foreign = "<x:x xmlns:x='urn:x'/>";
    assert_eq!(code_of(&import(&one_info(&foreign.repeat(ELEMENTS_MAX - 13)))), "ok");
    assert_eq!(code_of(&import(&one_info(&foreign.repeat(ELEMENTS_MAX - 12)))), "too_many_elements");

    let nested = |levels: usize| format!("{}{}", "<x xmlns='urn:x'>".repeat(levels), "</x>".repeat(levels));
    assert_eq!(code_of(&import(&one_info(&nested(DEPTH_MAX - 2)))), "ok");
    assert_eq!(code_of(&import(&one_info(&nested(DEPTH_MAX - 1)))), "too_deep");

    let around = one_info("").len();
    assert_eq!(code_of(&import(&one_info(&" ".repeat(INPUT_BYTES_MAX - around)))), "ok");
    assert_eq!(code_of(&import(&one_info(&" ".repeat(INPUT_BYTES_MAX - around + 1)))), "too_large");
}

#[test]
fn warnings_are_bounded_and_say_so() {
    let imported = import(&one_info(&"<nothing/>".repeat(1_000))).unwrap();
    assert_eq!(imported.warnings.len(), 256);
    let last = imported.warnings.last().unwrap();
    assert_eq!(last.code.as_str(), "more_warnings");
    assert!(imported.warnings[..255].iter().all(|warning| warning.code.as_str() == "unknown_element"));
}

#[test]
fn what_is_quoted_from_a_file_is_short_and_cannot_move_the_cursor() {
    let long = one_info(&format!(
        "<language>fr</language><responseType>\u{202e}{}</responseType>",
        "x".repeat(9_000)
    ));
    let text = import(&long).unwrap_err().to_string();
    assert!(text.len() < 200 && !text.contains('\u{202e}') && text.contains("\\u{202e}"), "{text}");
}

#[test]
fn white_space_of_any_kind_says_nothing() {
    for space in ["&#160;", "&#x2003;", "\u{2028}", " \t\n"] {
        let spaced = |text: &str, by: &str| {
            import(&String::from_utf8(one_info("")).unwrap().replace(text, by).into_bytes())
        };
        assert_eq!(code_of(&spaced("<event>e<", &format!("<event>{space}<"))), "empty_element");
        assert_eq!(code_of(&spaced("<identifier>i<", &format!("<identifier>{space}<"))), "empty_element");
        let imported = import(&one_info(&format!("<headline>{space}</headline>"))).unwrap();
        assert_eq!(warnings(&imported), ["1 empty_dropped headline"]);
    }
}

#[test]
fn namespaces_without_end_are_refused() {
    let declarations: String = (0..1_000).map(|number| format!(" xmlns:n{number}='u'")).collect();
    let error = import(&one_info(&format!("<web{declarations}>x</web>"))).unwrap_err();
    assert_eq!(error.code(), "not_well_formed");
    assert!(error.to_string().contains("more than 128 at once"), "{error}");
}

#[test]
fn each_element_behind_one_that_should_follow_is_out_of_order() {
    let inside =
        "<contact>c</contact><headline>h</headline><description>d</description><area><areaDesc/></area>";
    let found = warnings(&import(&one_info(inside)).unwrap());
    assert_eq!(found, ["1 element_order headline", "1 element_order description", "1 empty_kept areaDesc"]);
}

#[test]
fn what_xml_does_not_allow_is_refused() {
    for (inside, code) in [
        ("<headline>&#8;</headline>", "bad_character"),
        ("<headline>&#xFFFF;</headline>", "bad_character"),
        ("<headline>&#xD800;</headline>", "entity"),
        ("<headline>&;</headline>", "entity"),
        ("<headline>a & b</headline>", "not_well_formed"),
        ("<?xml version='1.0'?>", "not_well_formed"),
        ("<web a='1' a='2'>x</web>", "not_well_formed"),
        ("<!DOCTYPE alert>", "doctype"),
        ("<!ELEMENT alert>", "truncated"),
        ("<![CDATA[", "truncated"),
    ] {
        assert_eq!(code_of(&import(&one_info(inside))), code, "{inside}");
    }
}

#[test]
fn an_encoding_that_is_not_like_ascii_is_not_known() {
    for encoding in ["iso-2022-jp", "hz-gb-2312", "utf-7", "", "' "] {
        let declaration = format!("<?xml version=\"1.0\" encoding=\"{encoding}\"?>");
        let bytes = [declaration.as_bytes(), &one_info("")].concat();
        assert_eq!(code_of(&import(&bytes)), "unknown_encoding", "{encoding}");
    }
    let with = |encoding: &str| {
        let declaration = format!("<?xml version='1.0' encoding='{encoding}'?>");
        import(&[declaration.as_bytes(), &one_info("")].concat())
    };
    assert_eq!(code_of(&with("windows-1252")), "ok");
}

//! Keys whose private halves are published: those of RFC 8032, of RFC 8037 and of this project's own vectors.
//!
//! Anyone can sign with them, so relay, SDK and command line refuse a chain that names one, in every build. Only
//! [`crate::chain::Roots::dangerous_test_only`] takes them, for the vectors.

use crate::key::PublicKey;

/// Public halves, as they stand in the JWK member `x`.
const PUBLISHED: &[&str] = &[
    // RFC 8037, appendix A.1, which is RFC 8032, section 7.1, TEST 1
    "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    // RFC 8032, section 7.1, TEST 2, TEST 3, TEST 1024 and TEST SHA(abc)
    "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw",
    "_FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCU",
    "J4EX_BRMcjQPZ9DyMW6Dhs7_vyskKMnFH-98WX8dQm4",
    "7Bcrk61eVjv0kyxw4SRQNMNUZ-8u_U1k6_gZaDRn4r8",
    // RFC 8032, section 7.2: Ed25519ctx, whose keys are keys of Ed25519 too (those of section 7.3 stand above)
    "38lCXk-Wj38MKfAlnPX5rtaFHCu0rYv7hgz-4KskgpI",
    "Dx0SdJQ7kUFYiRUuiT2A6TJ1ofwLZf1xtLDdoQrX13I",
    // proto/vectors: SHA-256 of «Vigie TEST-ONLY » and the name is the seed
    "wzuLMk9fGfoXtVJElS0r6LkUiEtlpTBNFJsVOvb4nr4", // root-live
    "z2ZlUZ-BNuMSwCeBtBXxRviGrlyGzxZtpUcQ46sRjn4", // root-exercise
    "UK3WZjx7YWfVpeSg2Zb-IC6fXvO4q-pvTP4lJ_d63LU", // nation-live
    "IujtpI-UUfWsMUbLWhsy1qch5ApfcxKP_BRrDZfrmSA", // nation-exercise
    "u5tdOiqfQtZHrcdJR4ze4fA723UQUbzxnqaWD5NkH5c", // town-live
    "ATr2YcuiwLElaxfYipYV25A-ndzKK1Lys9CyQaJr9Sg", // town-exercise
    "3RQOkP1zSf0QnTH3Ai77pAM6ivDwVbniEb3iPXsVTNU", // field-live
    "w7FvEPqh2AtRiSlYSyv5PqhAsalsPmfXBvDCMfv0Ap0", // stranger-live
    "S8YKmR4iUpLcJvwB25vWxX5lxX4mY3qyPYoMelRZ_Ns", // heir-live
    "2vlgqODBbmVgf-U6OEv7c_PtEfD2b_aGFiqNqD6P_1c", // heir-of-heir-live
];

/// Whether the private half of this key is public knowledge.
pub(crate) fn is_published(key: &PublicKey) -> bool {
    use base64::Engine as _;
    // Asked of each link at each log-in, so without an allocation. 32 bytes are 43 characters.
    let mut text = [0; 43];
    let written = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode_slice(key.as_bytes(), &mut text);
    written.is_err() || PUBLISHED.iter().any(|published| published.as_bytes() == text)
}

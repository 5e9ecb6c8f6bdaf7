use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Golden {
    name: String,
    offer: String,
    answer: String,
    #[serde(deserialize_with = "description")]
    offer_description: Description,
    #[serde(deserialize_with = "description")]
    answer_description: Description,
}

fn description<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Description, D::Error> {
    let text = serde_json::Value::deserialize(d)?.to_string();
    Ok(Description::read(&meshedflow_json::parse(&text).unwrap()).unwrap())
}

fn golden() -> Vec<Golden> {
    let files = [
        include_str!("../../../../../tests/vectors/sdp/chrome80.json"),
        include_str!("../../../../../tests/vectors/sdp/chrome-current.json"),
        include_str!("../../../../../tests/vectors/sdp/firefox.json"),
        include_str!("../../../../../tests/vectors/sdp/safari.json"),
    ];
    files.map(|file| serde_json::from_str(file).unwrap()).into()
}

#[test]
fn every_browser_reduces_to_its_description() {
    for golden in golden() {
        assert_eq!(reduce(&golden.offer), Ok(golden.offer_description), "{} offer", golden.name);
        assert_eq!(reduce(&golden.answer), Ok(golden.answer_description), "{} answer", golden.name);
    }
}

#[test]
fn an_expanded_description_reduces_to_itself() {
    for golden in golden() {
        let (offer, answer) = (golden.offer_description, golden.answer_description);
        assert_eq!(reduce(&expand(&offer, DescriptionKind::Offer)), Ok(offer));
        assert_eq!(reduce(&expand(&answer, DescriptionKind::Answer)), Ok(answer));
    }
}

#[test]
fn an_expanded_offer_reads_like_this() {
    let [first, ..] = &golden()[..] else { panic!("no golden descriptions") };
    let sdp = expand(&first.offer_description, DescriptionKind::Offer);
    let fingerprint = first.offer_description.fingerprint;
    let expected = format!(
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=ice-ufrag:wX2k\r\n\
         a=ice-pwd:3rQbN1yLr7T+fZkUu0dEc8aM\r\na=ice-options:trickle\r\n\
         a=fingerprint:sha-256 {fingerprint}\r\na=setup:actpass\r\na=sctp-port:5000\r\n\
         a=max-message-size:262144\r\n"
    );
    assert_eq!(sdp, expected);
}

#[test]
fn roles_are_put_right() {
    let fingerprint = Fingerprint([7; 32]);
    let with = |setup| Description::new("abcd", &"p".repeat(22), fingerprint, setup).unwrap();
    let expanded = |setup, kind| reduce(&expand(&with(setup), kind)).unwrap().setup;
    assert_eq!(expanded(Setup::Passive, DescriptionKind::Offer), Setup::Actpass);
    assert_eq!(expanded(Setup::Actpass, DescriptionKind::Answer), Setup::Active);
    assert_eq!(expanded(Setup::Passive, DescriptionKind::Answer), Setup::Passive);
}

#[test]
fn what_is_missing_is_named() {
    for line in ["ice-ufrag", "ice-pwd", "fingerprint", "setup", "mid", "sctp-port"] {
        let [first, ..] = &golden()[..] else { panic!("no golden descriptions") };
        let without: Vec<&str> =
            first.offer.lines().filter(|l| !l.starts_with(&format!("a={line}:"))).collect();
        let named = match reduce(&without.join("\n")) {
            Err(SdpError::Missing(name)) => name.starts_with(line),
            _ => false,
        };
        assert!(named, "{line}");
    }
}

#[test]
fn other_sections_are_refused() {
    let [first, ..] = &golden()[..] else { panic!("no golden descriptions") };
    let video = first
        .offer
        .replace("m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "m=video 9 UDP/TLS/RTP/SAVPF 96");
    let two = format!("{}m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n", first.offer);
    assert_eq!(reduce(&video), Err(SdpError::NoDataSection));
    assert_eq!(reduce(&two), Err(SdpError::OtherSections));
    assert_eq!(reduce("v=0\r\n"), Err(SdpError::NoDataSection));
    assert_eq!(reduce(&"x".repeat(SDP_LIMIT_BYTES + 1)), Err(SdpError::TooLong(SDP_LIMIT_BYTES + 1)));
}

#[test]
fn a_line_cannot_be_smuggled_in() {
    let [first, ..] = &golden()[..] else { panic!("no golden descriptions") };
    let good = serde_json::to_value(&first.offer_description).unwrap();
    for (field, value) in [
        ("ufrag", "abcd\r\na=candidate:1 1 udp 1 10.0.0.1 2000 typ host"),
        ("ufrag", "abc"),
        ("pwd", "short"),
        ("pwd", "0123456789012345678901\n"),
        ("mid", "0 1"),
        ("mid", ""),
        ("fingerprint", "AA:BB"),
        ("setup", "holdconn"),
    ] {
        let mut bad = good.clone();
        bad[field] = value.into();
        let text = bad.to_string();
        assert!(Description::read(&meshedflow_json::parse(&text).unwrap()).is_err(), "{field} {value:?}");
    }
}

#[test]
fn candidates_of_browsers_are_read_and_written() {
    let lines = [
        (
            "candidate:1465288499 1 udp 2113937151 2E1D58A8-0655-4604-8b1a-fb485d470a9f.local 35388 typ host generation 0 ufrag U5EZ network-cost 999",
            "candidate:1465288499 1 udp 2113937151 2e1d58a8-0655-4604-8b1a-fb485d470a9f.local 35388 typ host",
        ),
        (
            "a=candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 192.168.1.5 rport 46154 generation 0",
            "candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 0.0.0.0 rport 0",
        ),
        (
            "candidate:2 1 UDP 92216831 2001:db8::5 55000 typ relay raddr 2001:db8::9 rport 40000",
            "candidate:2 1 udp 92216831 2001:db8::5 55000 typ relay raddr :: rport 0",
        ),
    ];
    for (line, written) in lines {
        let candidate = Candidate::parse(line).unwrap();
        assert_eq!(candidate.to_line(), written);
        assert_eq!(Candidate::parse(written), Ok(candidate.clone()));
        let json = serde_json::to_string(&candidate).unwrap();
        assert_eq!(Candidate::read(&meshedflow_json::parse(&json).unwrap()), Ok(candidate));
    }
}

#[test]
fn candidates_that_may_not_travel_are_refused_with_a_reason() {
    let cases = [
        ("", CandidateError::Shape),
        ("candidate:1 1 udp 5 203.0.113.7 5000", CandidateError::Shape),
        ("candidate:! 1 udp 5 203.0.113.7 5000 typ host", CandidateError::Foundation),
        ("candidate:1 2 udp 5 203.0.113.7 5000 typ host", CandidateError::Component),
        ("candidate:1 1 tcp 5 203.0.113.7 9 typ host tcptype active", CandidateError::Transport),
        ("candidate:1 1 udp 0 203.0.113.7 5000 typ host", CandidateError::Priority),
        ("candidate:1 1 udp 2147483648 203.0.113.7 5000 typ host", CandidateError::Priority),
        ("candidate:1 1 udp 5 evil.example 5000 typ host", CandidateError::Address),
        ("candidate:1 1 udp 5 router.local 5000 typ host", CandidateError::Address),
        ("candidate:1 1 udp 5 203.0.113.7 53 typ host", CandidateError::Port),
        ("candidate:1 1 udp 5 203.0.113.7 70000 typ host", CandidateError::Port),
        ("candidate:1 1 udp 5 203.0.113.7 5000 typ guess", CandidateError::Kind),
    ];
    for (line, error) in cases {
        assert_eq!(Candidate::parse(line), Err(error), "{line}");
    }
}

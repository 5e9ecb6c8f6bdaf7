use super::*;

fn candidate(address: &str, kind: &str) -> Candidate {
    Candidate::parse(&format!("candidate:1 1 udp 5 {address} 5000 typ {kind}")).unwrap()
}

fn host(address: &str, rules: &Rules<'_>) -> Result<(), Refusal> {
    candidate(address, "host").check(rules)
}

#[test]
fn addresses_that_lead_nowhere_good_are_never_tried() {
    let behind_one = Rules { same_address: true, ..Rules::default() };
    for (address, refusal) in [
        ("127.0.0.1", Refusal::Loopback),
        ("127.255.0.9", Refusal::Loopback),
        ("::1", Refusal::Loopback),
        ("169.254.169.254", Refusal::LinkLocal),
        ("fe80::1", Refusal::LinkLocal),
        ("febf::1", Refusal::LinkLocal),
        ("224.0.0.251", Refusal::Multicast),
        ("255.255.255.255", Refusal::Multicast),
        ("ff02::fb", Refusal::Multicast),
        ("0.0.0.0", Refusal::Unspecified),
        ("0.1.2.3", Refusal::Unspecified),
        ("::", Refusal::Unspecified),
        ("240.0.0.1", Refusal::Reserved),
        ("192.0.0.8", Refusal::Reserved),
        ("::ffff:127.0.0.1", Refusal::Reserved),
        ("::10.0.0.1", Refusal::Reserved),
        ("64:ff9b::a00:1", Refusal::Reserved),
        ("2002:a00:1::1", Refusal::Reserved),
        ("2001:0:a00:1::1", Refusal::Reserved),
        ("fec0::1", Refusal::Reserved),
        ("::ffff:192.168.1.1", Refusal::Reserved),
        ("::ffff:0:192.168.1.1", Refusal::Reserved),
        ("64:ff9b:1::a00:1", Refusal::Reserved),
        ("64:ff9b:1:2:3:4:127.0.0.1", Refusal::Reserved),
        ("2002:c0a8:101::1", Refusal::Reserved),
        ("2002:7f00:1::", Refusal::Reserved),
        ("2001:db8::5efe:10.0.0.1", Refusal::Reserved),
        ("2001:db8::200:5efe:10.0.0.1", Refusal::Reserved),
        ("100::1", Refusal::Reserved),
        ("5f00::1", Refusal::Reserved),
        ("4000::1", Refusal::Reserved),
        ("192.88.99.1", Refusal::Reserved),
    ] {
        assert_eq!(host(address, &behind_one), Err(refusal), "{address}");
    }
}

#[test]
fn private_addresses_are_for_viewers_behind_one_address() {
    let behind_one = Rules { same_address: true, ..Rules::default() };
    for address in
        ["10.1.2.3", "172.16.0.1", "172.31.9.9", "192.168.1.5", "100.64.0.1", "198.18.0.1", "fd00::5"]
    {
        assert_eq!(host(address, &Rules::default()), Err(Refusal::Private), "{address}");
        assert_eq!(host(address, &behind_one), Ok(()), "{address}");
        assert_eq!(candidate(address, "srflx").check(&Rules::default()), Err(Refusal::Private), "{address}");
    }
}

#[test]
fn public_addresses_and_mdns_names_pass() {
    let name = "2e1d58a8-0655-4604-8b1a-fb485d470a9f.local";
    for address in ["203.0.113.7", "172.32.0.1", "100.128.0.1", "2001:db8::5", name] {
        assert_eq!(host(address, &Rules::default()), Ok(()), "{address}");
    }
}

#[test]
fn relays_are_ours_where_we_know_them() {
    let ours = ["198.51.100.20".parse().unwrap()];
    let rules = Rules { relays: Some(&ours), ..Rules::default() };
    assert_eq!(candidate("198.51.100.20", "relay").check(&rules), Ok(()));
    assert_eq!(candidate("198.51.100.21", "relay").check(&rules), Err(Refusal::ForeignRelay));
    assert_eq!(candidate("198.51.100.21", "host").check(&rules), Ok(()));
    assert_eq!(candidate("198.51.100.21", "relay").check(&Rules::default()), Ok(()));
}

/// Admits reflexive candidates one after the other.
fn reflexive(rules: &Rules<'_>, addresses: &[&str]) -> Vec<Result<(), Refusal>> {
    let mut admitted = Admitted::default();
    addresses.iter().map(|address| admitted.admit(&candidate(address, "srflx"), rules)).collect()
}

#[test]
fn one_of_two_reflexive_candidates_is_what_the_edge_sees() {
    let rules = Rules { seen: Some("203.0.113.7".parse().unwrap()), ..Rules::default() };
    let (seen, other, third) = ("203.0.113.7", "203.0.113.8", "203.0.113.9");
    assert_eq!(reflexive(&rules, &[other, seen]), [Ok(()), Ok(())]);
    assert_eq!(reflexive(&rules, &[other, third, seen]), [Ok(()), Err(Refusal::NotSeen), Ok(())]);
    assert_eq!(reflexive(&rules, &[seen, other, third]), [Ok(()), Ok(()), Err(Refusal::TooManyReflexive)]);
}

#[test]
fn strict_rules_want_the_seen_address_first() {
    let seen = Some("::ffff:203.0.113.7".parse().unwrap());
    let rules = Rules { seen, strict_srflx: true, ..Rules::default() };
    let (seen, other) = ("203.0.113.7", "203.0.113.8");
    assert_eq!(reflexive(&rules, &[other, seen, other]), [Err(Refusal::NotSeen), Ok(()), Ok(())]);
}

#[test]
fn of_a_family_that_the_edge_does_not_see_two_are_enough() {
    let rules = Rules { seen: Some("2001:db8::1".parse().unwrap()), strict_srflx: true, ..Rules::default() };
    let addresses = ["203.0.113.7", "203.0.113.8", "203.0.113.9"];
    assert_eq!(reflexive(&rules, &addresses), [Ok(()), Ok(()), Err(Refusal::TooManyReflexive)]);
}

#[test]
fn twelve_candidates_are_enough() {
    let mut admitted = Admitted::default();
    let admit = |_| admitted.admit(&candidate("203.0.113.7", "host"), &Rules::default());
    let verdicts: Vec<_> = (0..13).map(admit).collect();
    assert_eq!(verdicts.iter().filter(|v| v.is_ok()).count(), 12);
    assert_eq!(verdicts.last(), Some(&Err(Refusal::TooMany)));
}

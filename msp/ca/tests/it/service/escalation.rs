//! Rows K11 to K14: registrars who may little try to become more, and what strangers and large records do.

use carecord_ca::client::{Credential, Registration};
use serde_json::{Value, json};

use super::support::{ADMIN, Fixture, basic, enrollment, refusal, registration};

/// A registrar of affiliation `ward` for `types` who manages affiliations.
fn ward_registrar(fixture: &Fixture, types: &str) -> Credential {
    let rights = [
        ("hf.Registrar.Roles", types),
        ("hf.Registrar.Attributes", "*"),
        ("hf.AffiliationMgr", "true"),
    ];
    let wanted =
        Registration { affiliation: "ward".into(), ..registration("wardreg", "client", &rights) };
    let secret = fixture.client().register(&fixture.admin(), &wanted).unwrap().secret;
    fixture.enroll("wardreg", &secret).unwrap()
}

#[test]
fn k11_no_affiliation_and_no_type_in_other_letters_makes_an_administrator_or_a_node() {
    let fixture = Fixture::new();
    let ward = ward_registrar(&fixture, "client,user");
    let by = |who: &Credential, method: &str, endpoint: &str, body: Value| {
        let said = fixture.signed(method, endpoint, who, &body);
        (said.status, said.code)
    };
    for unit in ["admin", "peer", "orderer", "client", "Admin", "PEER"] {
        let name = format!("ward.{unit}");
        let added = by(&ward, "POST", "affiliations", json!({ "name": name }));
        assert_eq!(added.0, 400, "{unit}");
        let renamed = by(&ward, "PUT", "affiliations/ward.night", json!({ "name": name }));
        assert_eq!(renamed.0, 400, "{unit}");
        let below = format!("ward.{unit}.x");
        let forced = by(&ward, "POST", "affiliations?force=true", json!({ "name": below }));
        assert_eq!(forced.0, 400, "{unit}");
        let into = json!({"id": "x", "type": "user", "affiliation": name});
        assert_eq!(by(&ward, "POST", "register", into).0, 400, "{unit}");
    }
    for (kind, status) in
        [("CLIENT", 400), ("Admin", 400), ("admin", 403), ("peer", 403), ("USER", 403)]
    {
        let body = json!({"id": "x", "type": kind, "affiliation": "ward"});
        assert_eq!(by(&ward, "POST", "register", body.clone()).0, status, "{kind}");
        // A change of type goes the same way as a registration.
        let body = json!({"type": kind});
        assert_ne!(by(&ward, "PUT", "identities/wardreg", body).0, 200, "{kind}");
    }
    assert!(fixture.ca.store().identity("x").unwrap().is_none());
    assert_eq!(fixture.ca.store().identity("wardreg").unwrap().unwrap().kind, "client");
    // Nor may the one who may everything make such an affiliation.
    let root = by(&fixture.admin(), "POST", "affiliations", json!({"name": "admin"}));
    assert_eq!(root.0, 400);
}

#[test]
#[should_panic(expected = "to an MSP that is a role")]
fn k11_a_configuration_with_such_an_affiliation_is_refused() {
    Fixture::with(|config| config.affiliations.push("ward.admin".into()));
}

#[test]
fn k12_nobody_takes_over_a_record_that_may_do_more() {
    let fixture = Fixture::with(|config| {
        config.limits.allow_remove_identities = true;
        config.limits.allow_remove_affiliations = true;
    });
    let head = fixture.person(
        "head",
        "client",
        &[("hf.Registrar.Roles", "client"), ("hf.AffiliationMgr", "true")],
    );
    let mut boss = registration("boss", "client", &[("hf.Revoker", "true")]);
    boss.affiliation = "ward".into();
    fixture.client().register(&fixture.admin(), &boss).unwrap();
    let by_head = |method: &str, endpoint: &str, body: Value| {
        let said = fixture.signed(method, endpoint, &head, &body);
        (said.status, said.code)
    };
    for (target, body) in [
        (ADMIN, json!({"secret": "owned"})),
        (ADMIN, json!({"max_enrollments": -2})),
        (ADMIN, json!({"affiliation": "lab"})),
        ("boss", json!({"secret": "owned"})),
        ("boss", json!({"type": "client"})),
    ] {
        let endpoint = format!("identities/{target}");
        assert_eq!(by_head("PUT", &endpoint, body.clone()), (403, 71), "{target} {body}");
    }
    assert_eq!(by_head("DELETE", "identities/admin", Value::Null), (403, 71));
    let removed = by_head("DELETE", "affiliations/ward?force=true", Value::Null);
    assert_eq!(removed, (403, 71));
    let renamed = by_head("PUT", "affiliations/ward?force=true", json!({"name": "x"}));
    assert_eq!(renamed, (403, 71));
    assert_eq!(refusal(fixture.enroll(ADMIN, "owned")), (401, 20));
    assert!(fixture.ca.store().identity("boss").unwrap().is_some());
    // Who may no more than the registrar is the registrar's to change, and so is oneself.
    fixture.person("ann", "client", &[("desk", "4")]);
    for target in ["ann", "head"] {
        let endpoint = format!("identities/{target}");
        assert_eq!(by_head("PUT", &endpoint, json!({"secret": "new"})).0, 200, "{target}");
    }
    let admins = fixture.admin();
    let said = fixture.signed("PUT", "identities/boss", &admins, &json!({"secret": "new"}));
    assert_eq!(said.status, 200);
}

#[test]
fn k12_nobody_moves_their_own_affiliation_and_none_goes_below_itself() {
    let fixture = Fixture::new();
    let ward = ward_registrar(&fixture, "client");
    let rename = |who: &Credential, from: &str, to: &str| {
        let endpoint = format!("affiliations/{from}?force=true");
        let said = fixture.signed("PUT", &endpoint, who, &json!({ "name": to }));
        (said.status, said.code)
    };
    assert_eq!(rename(&ward, "ward", "ward.sub"), (403, 71));
    assert_eq!(rename(&fixture.admin(), "lab", "lab.sub").0, 400);
    assert_eq!(rename(&ward, "ward.night", "ward.late").0, 200);
    assert!(fixture.ca.store().has_affiliation("ward").unwrap());
}

#[test]
fn k13_a_lock_ends_grows_with_each_try_and_tries_sent_at_once_are_counted() {
    let fixture = Fixture::with(|config| config.limits.password_attempts = 3);
    let registered =
        fixture.client().register(&fixture.admin(), &registration("ann", "client", &[]));
    let secret = registered.unwrap().secret;
    for name in ["ann", "nobody"] {
        let answers: Vec<_> = std::thread::scope(|scope| {
            let tries: Vec<_> =
                (0..12).map(|_| scope.spawn(|| refusal(fixture.enroll(name, "wrong")))).collect();
            tries.into_iter().map(|each| each.join().unwrap()).collect()
        });
        let looked_at = answers.iter().filter(|said| **said == (401, 20)).count();
        assert_eq!(looked_at, 3, "{name}: {answers:?}");
    }
    let later = |seconds: i64| {
        fixture.clock.fetch_add(seconds, std::sync::atomic::Ordering::Relaxed);
    };
    for (name, wait) in [("ann", 60), ("nobody", 0), ("ann", 120), ("ann", 240)] {
        later(wait - 1);
        if wait > 0 {
            assert_eq!(refusal(fixture.enroll(name, &secret)), (401, 73), "{name} {wait}");
        }
        later(1);
        // The two names are told apart by nothing, the time of their locks included.
        assert_eq!(refusal(fixture.enroll(name, "wrong")), (401, 20), "{name} {wait}");
        assert_eq!(refusal(fixture.enroll(name, "wrong")), (401, 73), "{name} {wait}");
    }
    later(480);
    fixture.enroll("ann", &secret).unwrap();
}

#[test]
fn k14_a_certificate_that_no_token_could_hold_is_not_issued() {
    let fixture = Fixture::new();
    let many: Vec<_> = (0..7).map(|n| (format!("a{n}"), "x".repeat(1_000))).collect();
    let attributes: Vec<_> =
        many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let wanted = Registration { max_enrollments: 2, ..registration("big", "client", &attributes) };
    let secret = fixture.client().register(&fixture.admin(), &wanted).unwrap().secret;
    let enroll = |names: usize| {
        let mut body = enrollment("big");
        body["attr_reqs"] = many[..names].iter().map(|(name, _)| json!({ "name": name })).collect();
        let header = basic("big", &secret);
        fixture.raw("POST", "/api/v1/enroll", Some(&header), body.to_string().as_bytes()).status
    };
    assert_eq!(enroll(7), 400);
    assert_eq!(enroll(6), 201);
}

#[test]
fn k14_a_node_gets_no_certificate_for_every_host_there_is() {
    let fixture = Fixture::new();
    let wanted = Registration { max_enrollments: 9, ..registration("peer7", "peer", &[]) };
    let secret = fixture.client().register(&fixture.admin(), &wanted).unwrap().secret;
    let enroll = |host: &str| {
        let mut body = enrollment("peer7");
        body["profile"] = json!("tls");
        body["hosts"] = json!([host]);
        let header = basic("peer7", &secret);
        fixture.raw("POST", "/api/v1/enroll", Some(&header), body.to_string().as_bytes()).status
    };
    for host in ["*", "*.", "*.org", "a.*.org", "**.a.org", "*a.b.org", "a*"] {
        assert_eq!(enroll(host), 400, "{host}");
    }
    for host in ["peer7", "*.ward.test", "127.0.0.1", "::1"] {
        assert_eq!(enroll(host), 201, "{host}");
    }
}

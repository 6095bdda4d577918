use super::*;

fn named(name: &str) -> &'static TypeDef {
    r4().type_of(r4().type_named(name).unwrap())
}

#[test]
fn all_resource_types_are_there() {
    let resources = r4().types().iter().filter(|def| def.kind == TypeKind::Resource && !def.is_abstract).count();
    assert_eq!(resources, 146);
}

#[test]
fn every_element_has_a_type_and_its_name_is_found() {
    for def in r4().types() {
        assert!(def.elements.len() <= 128, "{} has more elements than a mask has bits", def.name);
        for element in &def.elements {
            assert!(!element.types.is_empty(), "{}.{} has no type", def.name, element.name);
            assert_eq!(def.element_named(element.name).unwrap().index, element.index, "{}.{}", def.name, element.name);
            assert!(element.choice || element.types.len() == 1, "{}.{}", def.name, element.name);
        }
    }
}

#[test]
fn elements_are_found_by_their_names_in_json() {
    let observation = named("Observation");
    let (value, ty) = observation.element("valueQuantity").unwrap();
    assert_eq!((value.name, value.choice, ty.name()), ("value", true, "Quantity"));
    assert!(observation.element("value").is_none());
    assert!(observation.element("valueAttachment").is_none());
    assert_eq!(observation.element("component").unwrap().1.name(), "Observation.component");
    assert_eq!(named("Observation.component").element("referenceRange").unwrap().1.name(), "Observation.referenceRange");
    assert_eq!(named("Observation.component").elements[0].name, "id");
    assert_eq!(observation.elements[0].name, "id");
    let (status, _) = observation.element("status").unwrap();
    assert_eq!((status.min, status.max), (1, Some(1)));
    assert_eq!(status.binding.unwrap().strength, Strength::Required);
    assert_eq!(observation.element("subject").unwrap().0.types[0].targets, ["Patient", "Group", "Device", "Location"]);
}

#[test]
fn types_know_their_bases() {
    let id = |name| r4().type_named(name).unwrap();
    assert!(r4().subtype_of(id("Patient"), id("DomainResource")));
    assert!(r4().subtype_of(id("Age"), id("Quantity")));
    assert!(r4().subtype_of(id("code"), id("string")));
    assert!(r4().subtype_of(id("Patient.contact"), id("BackboneElement")));
    assert!(!r4().subtype_of(id("Bundle"), id("DomainResource")));
}

#[test]
fn invariants_stand_with_their_types() {
    let keys = |name: &str| named(name).invariants.iter().map(|one| one.key).collect::<Vec<_>>();
    assert_eq!(keys("Observation"), ["dom-2", "dom-3", "dom-4", "dom-5", "dom-6", "obs-6", "obs-7"]);
    assert_eq!(keys("Age"), ["ele-1", "qty-3", "age-1"]);
    assert_eq!(named("Patient").element("contact").unwrap().0.invariants[0].key, "pat-1");
    assert_eq!(keys("Patient.contact"), ["ele-1"]);
}

#[test]
fn value_sets_have_their_codes() {
    let gender = r4().value_set("http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1").unwrap();
    assert!(gender.contains_code("female") && !gender.contains_code("f"));
    assert!(gender.contains("http://hl7.org/fhir/administrative-gender", "male"));
    assert!(!gender.contains("http://example.org", "male"));
    let types = r4().value_set("http://hl7.org/fhir/ValueSet/all-types").unwrap();
    assert!(types.contains_code("Patient") && types.contains_code("Quantity"));
    let missing: Vec<_> = r4()
        .types()
        .iter()
        .flat_map(|def| &def.elements)
        .filter_map(|element| element.binding)
        .filter(|binding| binding.strength == Strength::Required && r4().value_set(binding.value_set).is_none())
        .map(|binding| binding.value_set)
        .collect();
    assert!(missing.iter().all(|url| *url == "http://loinc.org/vs/LL379-9"), "{missing:?}");
}

#[test]
fn search_parameters_and_the_compartment() {
    let codes: Vec<_> = r4().search_parameters("Patient").map(|one| one.code).collect();
    assert!(codes.contains(&"birthdate") && codes.contains(&"_id"), "{codes:?}");
    assert_eq!(r4().patient_compartment("Condition"), Some(&["patient", "asserter"][..]));
    assert_eq!(r4().patient_compartment("Medication"), None);
    assert_eq!(r4().compartment("Encounter", "Observation"), Some(&["encounter"][..]));
    assert_eq!(r4().compartment("Encounter", "Encounter"), Some(&["{def}"][..]));
    for name in ["Patient", "Encounter", "Practitioner", "RelatedPerson", "Device"] {
        let parameters: Vec<_> = r4()
            .types()
            .iter()
            .filter_map(|def| Some((def.name, r4().compartment(name, def.name)?)))
            .flat_map(|(resource, parameters)| parameters.iter().map(move |parameter| (resource, *parameter)))
            .collect();
        assert!(parameters.len() > 5, "{name}");
        for (resource, parameter) in parameters {
            let known = parameter == "{def}" || r4().search_parameters(resource).any(|one| one.code == parameter);
            assert!(known, "{name}: {resource} has no search parameter {parameter}");
        }
    }
    assert_eq!(r4().compartment("Nobody", "Observation"), None);
}

#[test]
fn loading_is_quick() {
    let began = std::time::Instant::now();
    let loaded = load::definitions();
    let took = began.elapsed();
    assert!(loaded.types.len() > 600);
    // A debug build on a busy machine is far from the 5 ms of an optimised one; this catches blunders only.
    assert!(took.as_millis() < 1500, "{took:?}");
    println!("definitions loaded in {took:?}");
}

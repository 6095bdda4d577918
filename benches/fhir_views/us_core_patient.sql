-- us_core_patient.json by hand, for DuckDB.
with resources as (
    select r,
           cast(r->'extension' as json[]) as extensions,
           list_filter(cast(r->'name' as json[]), lambda n: (n->>'use') = 'official')[1] as official
    from (select json as r from read_ndjson_objects('{file}')) where (r->>'resourceType') = 'Patient'
)
select r->>'id' as id,
       list_filter(cast(r->'identifier' as json[]),
                   lambda i: len(list_filter(cast(i->'type'->'coding' as json[]),
                                        lambda c: (c->>'system') = 'http://terminology.hl7.org/CodeSystem/v2-0203' and (c->>'code') = 'MR')) > 0)[1]->>'value' as mrn,
       r->>'gender' as gender, r->>'birthDate' as birth_date, r->>'deceasedDateTime' as deceased,
       list_filter(cast(list_filter(extensions, lambda e: (e->>'url') = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-race')[1]->'extension' as json[]),
                   lambda e: (e->>'url') = 'ombCategory')[1]->'valueCoding'->>'code' as race,
       list_filter(cast(list_filter(extensions, lambda e: (e->>'url') = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity')[1]->'extension' as json[]),
                   lambda e: (e->>'url') = 'ombCategory')[1]->'valueCoding'->>'code' as ethnicity,
       list_filter(extensions, lambda e: (e->>'url') = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex')[1]->>'valueCode' as birth_sex,
       r->'maritalStatus'->'coding'->0->>'code' as marital_status,
       r->'communication'->0->'language'->'coding'->0->>'code' as language,
       official->>'family' as family, official->'given'->>0 as given,
       r->'address'->0->'line'->>0 as line, r->'address'->0->>'city' as city,
       r->'address'->0->>'state' as state, r->'address'->0->>'postalCode' as postal_code
from resources where official is not null

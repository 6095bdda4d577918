-- lab_results.json by hand, for DuckDB.
select r->>'id' as id,
       case when starts_with(r->'subject'->>'reference', 'Patient/') then split_part(r->'subject'->>'reference', '/', 2) end as patient,
       case when starts_with(r->'encounter'->>'reference', 'Encounter/') then split_part(r->'encounter'->>'reference', '/', 2) end as encounter,
       r->>'status' as status, r->>'effectiveDateTime' as effective, r->>'issued' as issued,
       cast(r->'valueQuantity'->>'value' as decimal(18, 6)) as "value", r->'valueQuantity'->>'unit' as unit,
       r->'valueCodeableConcept'->'coding'->0->>'code' as value_code,
       c->>'code' as code, c->>'display' as display
from (select r, unnest(cast(r->'code'->'coding' as json[])) as c
      from (select json as r from read_ndjson_objects('{file}'))
      where (r->>'resourceType') = 'Observation'
        and len(list_filter(cast(r->'category' as json[]),
                            lambda k: len(list_filter(cast(k->'coding' as json[]),
                                                 lambda c: (c->>'system') = 'http://terminology.hl7.org/CodeSystem/observation-category' and (c->>'code') = 'laboratory')) > 0)) > 0)

-- vital_signs.json by hand, for DuckDB.
select r->>'id' as id,
       case when starts_with(r->'subject'->>'reference', 'Patient/') then split_part(r->'subject'->>'reference', '/', 2) end as patient,
       r->>'effectiveDateTime' as effective,
       r->'code'->'coding'->0->>'code' as code, r->'code'->'coding'->0->>'display' as display,
       cast(r->'valueQuantity'->>'value' as decimal(18, 6)) as "value", r->'valueQuantity'->>'code' as unit
from (select json as r from read_ndjson_objects('{file}'))
where (r->>'resourceType') = 'Observation'
  and len(list_filter(cast(r->'category' as json[]),
                      lambda k: len(list_filter(cast(k->'coding' as json[]),
                                           lambda c: (c->>'system') = 'http://terminology.hl7.org/CodeSystem/observation-category' and (c->>'code') = 'vital-signs')) > 0)) > 0

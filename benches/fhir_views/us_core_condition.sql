-- us_core_condition.json by hand, for DuckDB.
select r->>'id' as id,
       case when starts_with(r->'subject'->>'reference', 'Patient/') then split_part(r->'subject'->>'reference', '/', 2) end as patient,
       case when starts_with(r->'encounter'->>'reference', 'Encounter/') then split_part(r->'encounter'->>'reference', '/', 2) end as encounter,
       r->'category'->0->'coding'->0->>'code' as category,
       r->'clinicalStatus'->'coding'->0->>'code' as clinical_status,
       r->'verificationStatus'->'coding'->0->>'code' as verification_status,
       r->>'onsetDateTime' as onset, r->>'abatementDateTime' as abatement, r->>'recordedDate' as recorded,
       c->>'system' as system, c->>'code' as code, c->>'display' as display
from (select r, unnest(cast(r->'code'->'coding' as json[])) as c
      from (select json as r from read_ndjson_objects('{file}')) where (r->>'resourceType') = 'Condition')

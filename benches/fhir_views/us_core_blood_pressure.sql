-- us_core_blood_pressure.json by hand, for DuckDB.
with panels as (
    select r,
           list_filter(cast(r->'component' as json[]), lambda p: len(list_filter(cast(p->'code'->'coding' as json[]), lambda c: (c->>'system') = 'http://loinc.org' and (c->>'code') = '8480-6')) > 0)[1] as high,
           list_filter(cast(r->'component' as json[]), lambda p: len(list_filter(cast(p->'code'->'coding' as json[]), lambda c: (c->>'system') = 'http://loinc.org' and (c->>'code') = '8462-4')) > 0)[1] as low
    from (select json as r from read_ndjson_objects('{file}'))
    where (r->>'resourceType') = 'Observation'
      and len(list_filter(cast(r->'code'->'coding' as json[]), lambda c: (c->>'system') = 'http://loinc.org' and (c->>'code') = '85354-9')) > 0
)
select r->>'id' as id,
       case when starts_with(r->'subject'->>'reference', 'Patient/') then split_part(r->'subject'->>'reference', '/', 2) end as patient,
       r->>'status' as status, r->>'effectiveDateTime' as effective,
       cast(high->'valueQuantity'->>'value' as decimal(18, 6)) as systolic, high->'valueQuantity'->>'code' as systolic_unit,
       cast(low->'valueQuantity'->>'value' as decimal(18, 6)) as diastolic, low->'valueQuantity'->>'code' as diastolic_unit
from panels where high is not null and low is not null

-- observation_text.json by hand, for DuckDB.
select r->>'id' as id, r->>'status' as status, r->>'issued' as issued, r->'subject'->>'reference' as reference, r->'code'->>'text' as text
from (select json as r from read_ndjson_objects('{file}')) where (r->>'resourceType') = 'Observation'

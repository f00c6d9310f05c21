-- What changed since a run: documents that later runs read, and what they found to be gone or there again.
-- $run = '': the run_id; what came after it counts
SELECT
    documents.name,
    CASE WHEN documents.duplicate_of IS NULL THEN 'read' ELSE 'duplicate' END AS what,
    documents.run_id,
    documents.num_pages_read,
    documents.num_failures,
    documents.uri
FROM documents
WHERE documents.run_id > $run
UNION ALL
SELECT
    REGEXP_EXTRACT(deletions.uri, '[^/]*$', 0) AS name,
    CASE WHEN deletions.is_deleted THEN 'deleted' ELSE 'there again' END AS what,
    '' AS run_id,
    CAST(NULL AS BIGINT) AS num_pages_read,
    CAST(NULL AS BIGINT) AS num_failures,
    deletions.uri
FROM deletions
WHERE deletions.noticed_at > COALESCE(
    (SELECT MAX(COALESCE(ended_at, started_at)) FROM runs WHERE run_id = $run),
    (SELECT MIN(started_at) FROM runs)
)
ORDER BY run_id, uri

-- Failures by day and kind, beside the pages that were read on that day: whether they rise, or only the work does.
SELECT
    failed.ingest_date,
    failed.kind,
    failed.stage,
    failed.num_failures,
    failed.num_documents,
    failed.num_failures / NULLIF(CAST(done.num_pages_read AS DOUBLE), 0) AS failures_per_page
FROM (
    SELECT
        failures.ingest_date,
        failures.kind,
        failures.stage,
        COUNT(*) AS num_failures,
        COUNT(DISTINCT failures.source_id) AS num_documents
    FROM failures
    JOIN documents ON documents.source_id = failures.source_id AND documents.plan_id = failures.plan_id
    GROUP BY failures.ingest_date, failures.kind, failures.stage
) AS failed
JOIN (
    SELECT ingest_date, SUM(num_pages_read) AS num_pages_read
    FROM documents
    GROUP BY ingest_date
) AS done ON done.ingest_date = failed.ingest_date
ORDER BY failed.ingest_date DESC, failed.num_failures DESC, failed.kind, failed.stage

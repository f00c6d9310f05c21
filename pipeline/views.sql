-- The newest good answer per key, over the tables of the same names. Plain SQL: window functions and joins, no dialect.
--
-- Whole documents only: rows count once `documents` has the row of the same source and plan, which is written last.
-- Newest version only: an object that was overwritten (same uri, new source_id) drops out with all it said.
-- Good before new: ok beats partial beats failed, and among equals the later plan, then the later attempt, wins; so a
-- recipe that fails on a page never takes away what an older one read there.

-- One row per uri: the version that counts. A version counts from the last plan that read its bytes; a plan that only found it
-- changed or gone says nothing for it. A version never read counts from the plan that first listed it.
CREATE OR REPLACE VIEW current_sources AS
SELECT uri, source_id
FROM (
    SELECT
        uri,
        source_id,
        ROW_NUMBER() OVER (PARTITION BY uri ORDER BY seen_in DESC, last_modified DESC, source_id DESC) AS place
    FROM (
        SELECT
            uri,
            source_id,
            COALESCE(MAX(CASE WHEN document_id IS NOT NULL THEN plan_id END), MIN(plan_id)) AS seen_in,
            MAX(last_modified) AS last_modified
        FROM documents
        GROUP BY uri, source_id
    ) AS versions
) AS ranked
WHERE place = 1;

CREATE OR REPLACE VIEW current_pages AS
SELECT pages.*
FROM pages
JOIN (
    SELECT
        pages.source_id, pages.page_index, pages.plan_id, pages.attempt, pages.recipe_id,
        ROW_NUMBER() OVER (
            PARTITION BY pages.source_id, pages.page_index
            ORDER BY
                CASE pages.status WHEN 'ok' THEN 0 WHEN 'blank' THEN 0 WHEN 'partial' THEN 1 ELSE 2 END,
                pages.plan_id DESC, pages.attempt DESC, pages.recipe_id
        ) AS place
    FROM pages
    JOIN documents ON documents.source_id = pages.source_id AND documents.plan_id = pages.plan_id
    JOIN current_sources ON current_sources.source_id = pages.source_id
) AS chosen
    ON chosen.place = 1
    AND chosen.source_id = pages.source_id
    AND chosen.page_index = pages.page_index
    AND chosen.plan_id = pages.plan_id
    AND chosen.attempt = pages.attempt
    AND chosen.recipe_id = pages.recipe_id;

-- Blocks follow the page that was chosen.
CREATE OR REPLACE VIEW current_blocks AS
SELECT blocks.*
FROM blocks
JOIN current_pages
    ON current_pages.source_id = blocks.source_id
    AND current_pages.page_index = blocks.page_index
    AND current_pages.plan_id = blocks.plan_id
    AND current_pages.attempt = blocks.attempt
    AND current_pages.recipe_id = blocks.recipe_id;

CREATE OR REPLACE VIEW current_charts AS
SELECT charts.*
FROM charts
JOIN (
    SELECT
        charts.source_id, charts.page_index, charts.region_index, charts.plan_id, charts.attempt, charts.recipe_id,
        ROW_NUMBER() OVER (
            PARTITION BY charts.source_id, charts.page_index, charts.region_index
            ORDER BY
                CASE charts.status WHEN 'ok' THEN 0 WHEN 'none' THEN 0 WHEN 'partial' THEN 1 ELSE 2 END,
                charts.plan_id DESC, charts.attempt DESC, charts.recipe_id
        ) AS place
    FROM charts
    JOIN documents ON documents.source_id = charts.source_id AND documents.plan_id = charts.plan_id
    JOIN current_sources ON current_sources.source_id = charts.source_id
) AS chosen
    ON chosen.place = 1
    AND chosen.source_id = charts.source_id
    AND chosen.page_index = charts.page_index
    AND chosen.region_index = charts.region_index
    AND chosen.plan_id = charts.plan_id
    AND chosen.attempt = charts.attempt
    AND chosen.recipe_id = charts.recipe_id;

-- Points follow the chart that was chosen.
CREATE OR REPLACE VIEW current_chart_points AS
SELECT chart_points.*
FROM chart_points
JOIN current_charts
    ON current_charts.source_id = chart_points.source_id
    AND current_charts.page_index = chart_points.page_index
    AND current_charts.region_index = chart_points.region_index
    AND current_charts.plan_id = chart_points.plan_id
    AND current_charts.attempt = chart_points.attempt
    AND current_charts.recipe_id = chart_points.recipe_id;

-- A failure is open until a later plan (or attempt) asked the same again: that answered, or left a newer failure of its own.
CREATE OR REPLACE VIEW open_failures AS
SELECT failures.*
FROM failures
JOIN documents ON documents.source_id = failures.source_id AND documents.plan_id = failures.plan_id
JOIN current_sources ON current_sources.source_id = failures.source_id
WHERE NOT (
    -- the whole document: a later plan opened it again, for as many pages
    failures.page_index IS NULL
    AND EXISTS (
        SELECT 1
        FROM documents AS later
        WHERE later.source_id = failures.source_id
            AND later.plan_id > failures.plan_id
            AND later.num_pages_read >= documents.num_pages_read
    )
)
AND NOT (
    -- a page, and a chart's region where the later plan looked for charts too
    failures.page_index IS NOT NULL
    AND EXISTS (
        SELECT 1
        FROM pages AS later
        JOIN documents AS whole ON whole.source_id = later.source_id AND whole.plan_id = later.plan_id
        WHERE later.source_id = failures.source_id
            AND later.page_index = failures.page_index
            AND (later.plan_id > failures.plan_id OR (later.plan_id = failures.plan_id AND later.attempt > failures.attempt))
            AND (COALESCE(failures.task, 'ocr') = 'ocr' OR whole.chart_recipe_id IS NOT NULL)
    )
)
AND NOT (
    -- a chart
    failures.page_index IS NOT NULL
    AND COALESCE(failures.task, 'chart') = 'chart'
    AND EXISTS (
        SELECT 1
        FROM charts AS later
        JOIN documents AS whole ON whole.source_id = later.source_id AND whole.plan_id = later.plan_id
        WHERE later.source_id = failures.source_id
            AND later.page_index = failures.page_index
            AND COALESCE(failures.region_index, later.region_index) = later.region_index
            AND (later.plan_id > failures.plan_id OR (later.plan_id = failures.plan_id AND later.attempt > failures.attempt))
    )
);

-- One row per uri, with status and counts derived from the current views; what is known of the file is the newest that is known.
CREATE OR REPLACE VIEW current_documents AS
SELECT
    newest.uri,
    newest.source_id,
    newest.source_version,
    newest.version_id,
    newest.document_id,
    newest.plan_id,
    newest.run_id,
    newest.attempt,
    CASE
        WHEN COALESCE(failed.num_failures, 0) = 0 AND COALESCE(read.num_pages_partial, 0) + COALESCE(read.num_pages_failed, 0) = 0
            THEN 'ok'
        WHEN COALESCE(read.num_pages_read, 0) > COALESCE(read.num_pages_failed, 0) OR COALESCE(seen.num_read, 0) > 0
            THEN 'partial'
        ELSE 'failed'
    END AS status,
    newest.name,
    newest.media_type,
    newest.size_bytes,
    newest.last_modified,
    newest.title,
    newest.producer,
    newest.is_encrypted,
    newest.is_repaired,
    newest.num_pages,
    COALESCE(read.num_pages_read, 0) AS num_pages_read,
    COALESCE(read.num_pages_ok, 0) AS num_pages_ok,
    COALESCE(read.num_pages_blank, 0) AS num_pages_blank,
    COALESCE(read.num_pages_partial, 0) AS num_pages_partial,
    COALESCE(read.num_pages_failed, 0) AS num_pages_failed,
    COALESCE(read.num_chart_candidates, 0) AS num_chart_candidates,
    COALESCE(seen.num_charts, 0) AS num_charts,
    COALESCE(seen.num_chart_points, 0) AS num_chart_points,
    COALESCE(failed.num_failures, 0) AS num_failures,
    newest.tasks,
    newest.ocr_recipe_id,
    newest.chart_recipe_id,
    newest.ingest_date
FROM (
    SELECT
        documents.*,
        ROW_NUMBER() OVER (
            PARTITION BY documents.source_id
            ORDER BY
                CASE WHEN documents.num_pages IS NOT NULL THEN 0 WHEN documents.document_id IS NOT NULL THEN 1 ELSE 2 END,
                documents.plan_id DESC
        ) AS place
    FROM documents
    JOIN current_sources ON current_sources.source_id = documents.source_id
) AS newest
LEFT JOIN (
    SELECT
        source_id,
        COUNT(*) AS num_pages_read,
        SUM(CASE WHEN status = 'ok' THEN 1 ELSE 0 END) AS num_pages_ok,
        SUM(CASE WHEN status = 'blank' THEN 1 ELSE 0 END) AS num_pages_blank,
        SUM(CASE WHEN status = 'partial' THEN 1 ELSE 0 END) AS num_pages_partial,
        SUM(CASE WHEN status = 'failed' THEN 1 ELSE 0 END) AS num_pages_failed,
        SUM(num_chart_candidates) AS num_chart_candidates
    FROM current_pages
    GROUP BY source_id
) AS read ON read.source_id = newest.source_id
LEFT JOIN (
    SELECT
        source_id,
        SUM(CASE WHEN status = 'failed' THEN 0 ELSE 1 END) AS num_read,
        SUM(CASE WHEN status IN ('ok', 'partial') THEN 1 ELSE 0 END) AS num_charts,
        SUM(num_points) AS num_chart_points
    FROM current_charts
    GROUP BY source_id
) AS seen ON seen.source_id = newest.source_id
LEFT JOIN (
    SELECT source_id, COUNT(*) AS num_failures
    FROM open_failures
    GROUP BY source_id
) AS failed ON failed.source_id = newest.source_id
WHERE newest.place = 1;

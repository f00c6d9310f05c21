-- The newest good answer per key, over the tables of the same names. Plain SQL: window functions and joins, no dialect.
--
-- Whole documents only: rows count once `documents` has the row of the same source and plan, which is written last.
-- An engine lists the files of each table where a query names it, so a run may commit between two of them. Each view names first
-- what depends on `documents` alone, and last the table that it takes rows from: what it has chosen is then always there.
-- Each file once: `pagefold optimize` joins files into new ones, whose rows have a number in `rewrite`, and the old ones are removed
-- later. Rows count with the `documents` row of their own rewrite, and the highest of them is taken.
-- Newest version only: an object that was overwritten (same uri, new source_id) drops out with all it said, unless another object
-- has its bytes. What was deleted keeps its answers, and has a `deleted_at`.
-- By document: pages, charts and failures belong to the bytes, so objects with the same bytes share theirs. `document_id` joins
-- them with every uri in `current_documents`; `source_id` with the one that was read.
-- `name` is the last part of `uri`: of the object that was read, where several have its bytes.
-- Good before new: ok beats partial beats failed, and among equals the later plan, then the later attempt, wins; so a
-- recipe that fails on a page never takes away what an older one read there. Exact before estimated: of a chart that one plan read from
-- its drawing and by a model, the drawing's answer is the current one.

-- One row per source: the name of its bytes. Bytes that were never fetched are nobody else's.
CREATE OR REPLACE VIEW source_contents AS
SELECT source_id, COALESCE(MAX(document_id), source_id) AS content_id, MAX(uri) AS uri, MAX(name) AS name
FROM documents
GROUP BY source_id;

-- One row per uri: the version that counts. A version counts from the last plan that read its bytes; a plan that only found it
-- changed or gone says nothing for it. A version never read counts from the plan that first listed it.
CREATE OR REPLACE VIEW current_sources AS
SELECT
    ranked.uri,
    ranked.source_id,
    source_contents.content_id,
    CASE WHEN noticed.is_deleted THEN noticed.noticed_at END AS deleted_at,
    source_contents.name
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
JOIN source_contents ON source_contents.source_id = ranked.source_id
LEFT JOIN (
    SELECT uri, is_deleted, noticed_at, ROW_NUMBER() OVER (PARTITION BY uri ORDER BY plan_id DESC) AS place
    FROM deletions
) AS noticed ON noticed.uri = ranked.uri AND noticed.place = 1
WHERE ranked.place = 1;

CREATE OR REPLACE VIEW current_pages AS
SELECT pages.*, REGEXP_EXTRACT(pages.uri, '[^/]*$', 0) AS name
FROM (
    SELECT
        pages.source_id, pages.page_index, pages.plan_id, pages.attempt, pages.recipe_id, COALESCE(pages.rewrite, 0) AS rewrite,
        ROW_NUMBER() OVER (
            PARTITION BY source_contents.content_id, pages.page_index
            ORDER BY
                CASE pages.status WHEN 'ok' THEN 0 WHEN 'blank' THEN 0 WHEN 'partial' THEN 1 ELSE 2 END,
                pages.plan_id DESC, pages.attempt DESC, pages.recipe_id, pages.uri, COALESCE(pages.rewrite, 0) DESC
        ) AS place
    FROM (SELECT DISTINCT content_id FROM current_sources) AS counting
    JOIN source_contents ON source_contents.content_id = counting.content_id
    JOIN documents ON documents.source_id = source_contents.source_id
    JOIN pages
        ON pages.source_id = documents.source_id
        AND pages.plan_id = documents.plan_id
        AND COALESCE(pages.rewrite, 0) = COALESCE(documents.rewrite, 0)
) AS chosen
JOIN pages
    ON chosen.place = 1
    AND chosen.source_id = pages.source_id
    AND chosen.page_index = pages.page_index
    AND chosen.plan_id = pages.plan_id
    AND chosen.attempt = pages.attempt
    AND chosen.recipe_id = pages.recipe_id
    AND chosen.rewrite = COALESCE(pages.rewrite, 0);

-- Blocks follow the page that was chosen.
CREATE OR REPLACE VIEW current_blocks AS
SELECT blocks.*, REGEXP_EXTRACT(blocks.uri, '[^/]*$', 0) AS name
FROM current_pages
JOIN blocks
    ON current_pages.source_id = blocks.source_id
    AND current_pages.page_index = blocks.page_index
    AND current_pages.plan_id = blocks.plan_id
    AND current_pages.attempt = blocks.attempt
    AND current_pages.recipe_id = blocks.recipe_id
    AND COALESCE(current_pages.rewrite, 0) = COALESCE(blocks.rewrite, 0);

-- Tables and their cells follow the page that was chosen, too.
CREATE OR REPLACE VIEW current_tables AS
SELECT tables.*, REGEXP_EXTRACT(tables.uri, '[^/]*$', 0) AS name
FROM current_pages
JOIN tables
    ON current_pages.source_id = tables.source_id
    AND current_pages.page_index = tables.page_index
    AND current_pages.plan_id = tables.plan_id
    AND current_pages.attempt = tables.attempt
    AND current_pages.recipe_id = tables.recipe_id
    AND COALESCE(current_pages.rewrite, 0) = COALESCE(tables.rewrite, 0);

CREATE OR REPLACE VIEW current_table_cells AS
SELECT table_cells.*, REGEXP_EXTRACT(table_cells.uri, '[^/]*$', 0) AS name
FROM current_pages
JOIN table_cells
    ON current_pages.source_id = table_cells.source_id
    AND current_pages.page_index = table_cells.page_index
    AND current_pages.plan_id = table_cells.plan_id
    AND current_pages.attempt = table_cells.attempt
    AND current_pages.recipe_id = table_cells.recipe_id
    AND COALESCE(current_pages.rewrite, 0) = COALESCE(table_cells.rewrite, 0);

-- A region that the newest reading of all regions of its document no longer found is gone, with what was read of it; a page on which
-- that reading failed keeps what it had.
CREATE OR REPLACE VIEW current_charts AS
SELECT charts.*, REGEXP_EXTRACT(charts.uri, '[^/]*$', 0) AS name
FROM (
    SELECT
        charts.source_id, charts.page_index, charts.region_index, charts.plan_id, charts.attempt, charts.recipe_id,
        COALESCE(charts.rewrite, 0) AS rewrite,
        ROW_NUMBER() OVER (
            PARTITION BY source_contents.content_id, charts.page_index, charts.region_index
            ORDER BY
                CASE charts.status
                    WHEN 'ok' THEN 0 WHEN 'none' THEN 0 WHEN 'partial' THEN 1 WHEN 'not_asked' THEN 3 ELSE 2
                END,
                charts.plan_id DESC, charts.attempt DESC,
                CASE charts.engine WHEN 'vector' THEN 0 ELSE 1 END,
                charts.recipe_id, charts.uri, COALESCE(charts.rewrite, 0) DESC
        ) AS place
    FROM (SELECT DISTINCT content_id FROM current_sources) AS counting
    JOIN source_contents ON source_contents.content_id = counting.content_id
    JOIN documents ON documents.source_id = source_contents.source_id
    JOIN charts
        ON charts.source_id = documents.source_id
        AND charts.plan_id = documents.plan_id
        AND COALESCE(charts.rewrite, 0) = COALESCE(documents.rewrite, 0)
    LEFT JOIN (
        SELECT source_contents.content_id, MAX(documents.plan_id) AS plan_id
        FROM documents
        JOIN source_contents ON source_contents.source_id = documents.source_id
        WHERE documents.is_whole AND documents.chart_recipe_id IS NOT NULL AND documents.num_pages_read >= documents.num_pages
        GROUP BY source_contents.content_id
    ) AS looked ON looked.content_id = source_contents.content_id
    LEFT JOIN (
        SELECT DISTINCT source_contents.content_id, found.plan_id, found.page_index, found.region_index
        FROM source_contents
        JOIN charts AS found ON found.source_id = source_contents.source_id
    ) AS there
        ON there.content_id = source_contents.content_id
        AND there.plan_id = looked.plan_id
        AND there.page_index = charts.page_index
        AND there.region_index = charts.region_index
    LEFT JOIN (
        SELECT DISTINCT source_contents.content_id, failures.plan_id, failures.page_index
        FROM source_contents
        JOIN failures ON failures.source_id = source_contents.source_id
        WHERE failures.region_index IS NULL AND failures.page_index IS NOT NULL
    ) AS missed
        ON missed.content_id = source_contents.content_id
        AND missed.plan_id = looked.plan_id
        AND missed.page_index = charts.page_index
    WHERE looked.plan_id IS NULL
        OR charts.plan_id >= looked.plan_id
        OR there.region_index IS NOT NULL
        OR missed.page_index IS NOT NULL
) AS chosen
JOIN charts
    ON chosen.place = 1
    AND chosen.source_id = charts.source_id
    AND chosen.page_index = charts.page_index
    AND chosen.region_index = charts.region_index
    AND chosen.plan_id = charts.plan_id
    AND chosen.attempt = charts.attempt
    AND chosen.recipe_id = charts.recipe_id
    AND chosen.rewrite = COALESCE(charts.rewrite, 0);

-- Points follow the chart that was chosen.
CREATE OR REPLACE VIEW current_chart_points AS
SELECT chart_points.*, REGEXP_EXTRACT(chart_points.uri, '[^/]*$', 0) AS name
FROM current_charts
JOIN chart_points
    ON current_charts.source_id = chart_points.source_id
    AND current_charts.page_index = chart_points.page_index
    AND current_charts.region_index = chart_points.region_index
    AND current_charts.plan_id = chart_points.plan_id
    AND current_charts.attempt = chart_points.attempt
    AND current_charts.recipe_id = chart_points.recipe_id
    AND COALESCE(current_charts.rewrite, 0) = COALESCE(chart_points.rewrite, 0);

-- Pictures show the bytes, not an answer: a page's are those of the newest plan that kept any of it.
CREATE OR REPLACE VIEW current_images AS
SELECT images.*, REGEXP_EXTRACT(images.uri, '[^/]*$', 0) AS name
FROM (
    SELECT
        kept.source_id, kept.page_index, kept.plan_id, kept.attempt, kept.rewrite,
        ROW_NUMBER() OVER (
            PARTITION BY kept.content_id, kept.page_index
            ORDER BY kept.plan_id DESC, kept.attempt DESC, kept.source_id, kept.rewrite DESC
        ) AS place
    FROM (
        SELECT DISTINCT
            source_contents.content_id, images.source_id, images.page_index, images.plan_id, images.attempt,
            COALESCE(images.rewrite, 0) AS rewrite
        FROM (SELECT DISTINCT content_id FROM current_sources) AS counting
        JOIN source_contents ON source_contents.content_id = counting.content_id
        JOIN documents ON documents.source_id = source_contents.source_id
        JOIN images
            ON images.source_id = documents.source_id
            AND images.plan_id = documents.plan_id
            AND COALESCE(images.rewrite, 0) = COALESCE(documents.rewrite, 0)
    ) AS kept
) AS chosen
JOIN images
    ON chosen.place = 1
    AND chosen.source_id = images.source_id
    AND chosen.page_index = images.page_index
    AND chosen.plan_id = images.plan_id
    AND chosen.attempt = images.attempt
    AND chosen.rewrite = COALESCE(images.rewrite, 0);

-- Words follow the page that was chosen, too.
CREATE OR REPLACE VIEW current_words AS
SELECT words.*, REGEXP_EXTRACT(words.uri, '[^/]*$', 0) AS name
FROM current_pages
JOIN words
    ON current_pages.source_id = words.source_id
    AND current_pages.page_index = words.page_index
    AND current_pages.plan_id = words.plan_id
    AND current_pages.attempt = words.attempt
    AND current_pages.recipe_id = words.recipe_id
    AND COALESCE(current_pages.rewrite, 0) = COALESCE(words.rewrite, 0);

-- A failure is open until a later plan (or attempt) asked the same again: that answered, or left a newer failure of its own. What
-- went wrong before there were bytes is its source's own; what went wrong after holds for all that have them.
CREATE OR REPLACE VIEW open_failures AS
SELECT failures.*, REGEXP_EXTRACT(failures.uri, '[^/]*$', 0) AS name
FROM (SELECT DISTINCT content_id FROM current_sources) AS counting
JOIN source_contents ON source_contents.content_id = counting.content_id
JOIN (
    SELECT source_id, plan_id, MAX(num_pages_read) AS num_pages_read, MAX(COALESCE(rewrite, 0)) AS rewrite
    FROM documents
    GROUP BY source_id, plan_id
) AS documents ON documents.source_id = source_contents.source_id
JOIN failures
    ON failures.source_id = documents.source_id
    AND failures.plan_id = documents.plan_id
    AND COALESCE(failures.rewrite, 0) = documents.rewrite
WHERE (failures.document_id IS NOT NULL OR failures.source_id IN (SELECT source_id FROM current_sources))
AND NOT (
    -- the whole document: a later plan opened it again, for as many pages, or found that its bytes are read as another
    failures.page_index IS NULL
    AND EXISTS (
        SELECT 1
        FROM documents AS later
        JOIN source_contents AS same ON same.source_id = later.source_id
        WHERE same.content_id = source_contents.content_id
            AND later.plan_id > failures.plan_id
            AND (
                (later.duplicate_of IS NULL AND later.num_pages_read >= documents.num_pages_read)
                OR (later.duplicate_of IS NOT NULL AND later.source_id = failures.source_id AND failures.document_id IS NULL)
            )
    )
)
AND NOT (
    -- a page, and a chart's region where the later plan looked for charts too
    failures.page_index IS NOT NULL
    AND EXISTS (
        SELECT 1
        FROM source_contents AS same
        JOIN documents AS whole ON whole.source_id = same.source_id
        JOIN pages AS later ON later.source_id = whole.source_id AND later.plan_id = whole.plan_id
        WHERE same.content_id = source_contents.content_id
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
        FROM source_contents AS same
        JOIN documents AS whole ON whole.source_id = same.source_id
        JOIN charts AS later ON later.source_id = whole.source_id AND later.plan_id = whole.plan_id
        WHERE same.content_id = source_contents.content_id
            AND later.page_index = failures.page_index
            AND COALESCE(failures.region_index, later.region_index) = later.region_index
            AND (later.plan_id > failures.plan_id OR (later.plan_id = failures.plan_id AND later.attempt > failures.attempt))
    )
);

-- One row per uri, with status and counts derived from the current views; what is known of the file is the newest that is known.
-- duplicate_of is that of the version's last reading; deleted_at is when a run no longer found it, null while it is listed.
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
        WHEN COALESCE(failed.num_failures, 0) + COALESCE(unfetched.num_failures, 0) = 0 AND COALESCE(read.num_pages_partial, 0) + COALESCE(read.num_pages_failed, 0) = 0
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
    COALESCE(failed.num_failures, 0) + COALESCE(unfetched.num_failures, 0) AS num_failures,
    newest.tasks,
    newest.ocr_recipe_id,
    newest.chart_recipe_id,
    newest.duplicate_of,
    newest.is_whole,
    newest.ingest_date,
    newest.deleted_at
FROM (
    SELECT
        documents.*,
        current_sources.content_id,
        current_sources.deleted_at,
        ROW_NUMBER() OVER (
            PARTITION BY documents.source_id
            ORDER BY
                CASE WHEN documents.num_pages IS NOT NULL THEN 0 WHEN documents.document_id IS NOT NULL THEN 1 ELSE 2 END,
                documents.plan_id DESC
        ) AS place
    FROM current_sources
    JOIN documents ON documents.source_id = current_sources.source_id
) AS newest
LEFT JOIN (
    SELECT
        source_contents.content_id,
        COUNT(*) AS num_pages_read,
        SUM(CASE WHEN status = 'ok' THEN 1 ELSE 0 END) AS num_pages_ok,
        SUM(CASE WHEN status = 'blank' THEN 1 ELSE 0 END) AS num_pages_blank,
        SUM(CASE WHEN status = 'partial' THEN 1 ELSE 0 END) AS num_pages_partial,
        SUM(CASE WHEN status = 'failed' THEN 1 ELSE 0 END) AS num_pages_failed,
        SUM(num_chart_candidates) AS num_chart_candidates
    FROM source_contents
    JOIN current_pages ON current_pages.source_id = source_contents.source_id
    GROUP BY source_contents.content_id
) AS read ON read.content_id = newest.content_id
LEFT JOIN (
    SELECT
        source_contents.content_id,
        SUM(CASE WHEN status = 'failed' THEN 0 ELSE 1 END) AS num_read,
        SUM(CASE WHEN status IN ('ok', 'partial') THEN 1 ELSE 0 END) AS num_charts,
        SUM(num_points) AS num_chart_points
    FROM source_contents
    JOIN current_charts ON current_charts.source_id = source_contents.source_id
    GROUP BY source_contents.content_id
) AS seen ON seen.content_id = newest.content_id
LEFT JOIN (
    SELECT source_contents.content_id, COUNT(*) AS num_failures
    FROM source_contents
    JOIN open_failures ON open_failures.source_id = source_contents.source_id
    WHERE open_failures.document_id IS NOT NULL
    GROUP BY source_contents.content_id
) AS failed ON failed.content_id = newest.content_id
LEFT JOIN (
    SELECT source_id, COUNT(*) AS num_failures
    FROM open_failures
    WHERE document_id IS NULL
    GROUP BY source_id
) AS unfetched ON unfetched.source_id = newest.source_id
WHERE newest.place = 1;

-- How each page's text changed from one version of a uri to the next. A row for each page that either of them has, by its place in the
-- document; versions count from 1, and `version` is the later one. Null texts are pages that could not be read.
CREATE OR REPLACE VIEW page_versions AS
WITH versions AS (
    SELECT
        found.uri,
        found.source_id,
        source_contents.name,
        source_contents.content_id,
        ROW_NUMBER() OVER (PARTITION BY found.uri ORDER BY found.seen_in, found.last_modified, found.source_id) AS version
    FROM (
        SELECT
            uri,
            source_id,
            COALESCE(MAX(CASE WHEN document_id IS NOT NULL THEN plan_id END), MIN(plan_id)) AS seen_in,
            MAX(last_modified) AS last_modified
        FROM documents
        GROUP BY uri, source_id
    ) AS found
    JOIN source_contents ON source_contents.source_id = found.source_id
),
sides AS (
    SELECT later.uri, later.name, later.version, later.source_id, later.content_id, earlier.source_id AS previous_source_id, 1 AS is_later
    FROM versions AS later
    JOIN versions AS earlier ON earlier.uri = later.uri AND earlier.version = later.version - 1
    UNION ALL
    SELECT later.uri, later.name, later.version, later.source_id, earlier.content_id, earlier.source_id AS previous_source_id, 0 AS is_later
    FROM versions AS later
    JOIN versions AS earlier ON earlier.uri = later.uri AND earlier.version = later.version - 1
),
texts AS (
    SELECT
        source_contents.content_id, pages.page_index, pages.text_plain,
        ROW_NUMBER() OVER (
            PARTITION BY source_contents.content_id, pages.page_index
            ORDER BY
                CASE pages.status WHEN 'ok' THEN 0 WHEN 'blank' THEN 0 WHEN 'partial' THEN 1 ELSE 2 END,
                pages.plan_id DESC, pages.attempt DESC, pages.recipe_id, pages.uri
        ) AS place
    FROM (SELECT DISTINCT content_id FROM sides) AS compared
    JOIN source_contents ON source_contents.content_id = compared.content_id
    JOIN documents ON documents.source_id = source_contents.source_id
    JOIN pages ON pages.source_id = documents.source_id AND pages.plan_id = documents.plan_id
)
SELECT
    uri,
    name,
    version,
    page_index,
    CASE
        WHEN num_earlier = 0 THEN 'added'
        WHEN num_later = 0 THEN 'removed'
        WHEN text_plain = previous_text_plain THEN 'same'
        WHEN text_plain IS NULL OR previous_text_plain IS NULL THEN 'unread'
        ELSE 'changed'
    END AS change,
    text_plain,
    previous_text_plain,
    source_id,
    previous_source_id
FROM (
    SELECT
        sides.uri,
        sides.name,
        sides.version,
        sides.source_id,
        sides.previous_source_id,
        texts.page_index,
        SUM(sides.is_later) AS num_later,
        SUM(1 - sides.is_later) AS num_earlier,
        MAX(CASE WHEN sides.is_later = 1 THEN texts.text_plain END) AS text_plain,
        MAX(CASE WHEN sides.is_later = 0 THEN texts.text_plain END) AS previous_text_plain
    FROM sides
    JOIN texts ON texts.content_id = sides.content_id AND texts.place = 1
    GROUP BY sides.uri, sides.name, sides.version, sides.source_id, sides.previous_source_id, texts.page_index
) AS compared;

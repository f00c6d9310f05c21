-- Two recipes on the same pages: how far their texts agree by words, and their tables by cells, 0 to 1; what differs most comes first.
-- $first = '': a recipe_id or its beginning, or part of the engine's or the model's name; every recipe by default
-- $second = '': the same of the other recipe
-- $name = '': the document's name, or part of it
WITH answers AS (
    SELECT *
    FROM (
        SELECT
            pages.document_id, pages.page_index, pages.recipe_id, pages.uri, pages.source_id, pages.plan_id, pages.attempt,
            COALESCE(pages.rewrite, 0) AS rewrite, pages.text_plain, LOWER(CONCAT(pages.engine, ' ', COALESCE(pages.model, ''))) AS reader,
            ROW_NUMBER() OVER (
                PARTITION BY pages.document_id, pages.page_index, pages.recipe_id
                ORDER BY pages.plan_id DESC, pages.attempt DESC, pages.source_id, COALESCE(pages.rewrite, 0) DESC
            ) AS place
        FROM pages
        JOIN (SELECT DISTINCT source_id, plan_id FROM documents) AS whole
            ON whole.source_id = pages.source_id AND whole.plan_id = pages.plan_id
        WHERE pages.status IN ('ok', 'blank', 'partial')
            AND LOWER(REGEXP_EXTRACT(pages.uri, '[^/]*$', 0)) LIKE LOWER(CONCAT('%', $name, '%'))
    ) AS ranked
    WHERE place = 1
),
pairs AS (
    SELECT
        one.uri, one.document_id, one.page_index, one.recipe_id AS first_recipe_id, other.recipe_id AS second_recipe_id
    FROM answers AS one
    JOIN answers AS other ON other.document_id = one.document_id AND other.page_index = one.page_index
    WHERE (one.recipe_id LIKE CONCAT($first, '%') OR one.reader LIKE LOWER(CONCAT('%', $first, '%')))
        AND (other.recipe_id LIKE CONCAT($second, '%') OR other.reader LIKE LOWER(CONCAT('%', $second, '%')))
        AND (one.recipe_id < other.recipe_id OR ($first <> $second AND one.recipe_id <> other.recipe_id))
),
said AS (
    SELECT answers.document_id, answers.page_index, answers.recipe_id, 'word' AS what, words.word AS text
    FROM answers
    CROSS JOIN UNNEST(REGEXP_EXTRACT_ALL(LOWER(answers.text_plain), '[\p{L}\p{M}\p{N}]+', 0)) AS words (word)
    UNION ALL
    SELECT answers.document_id, answers.page_index, answers.recipe_id, 'cell' AS what, LOWER(TRIM(table_cells.text)) AS text
    FROM answers
    JOIN table_cells
        ON table_cells.source_id = answers.source_id
        AND table_cells.page_index = answers.page_index
        AND table_cells.plan_id = answers.plan_id
        AND table_cells.attempt = answers.attempt
        AND table_cells.recipe_id = answers.recipe_id
        AND COALESCE(table_cells.rewrite, 0) = answers.rewrite
    WHERE table_cells.text <> ''
),
counts AS (
    SELECT document_id, page_index, recipe_id, what, text, COUNT(*) AS times
    FROM said
    GROUP BY document_id, page_index, recipe_id, what, text
),
bags AS (
    SELECT
        pairs.document_id, pairs.page_index, pairs.first_recipe_id, pairs.second_recipe_id, counts.what, counts.text,
        SUM(CASE WHEN counts.recipe_id = pairs.first_recipe_id THEN counts.times ELSE 0 END) AS times,
        SUM(CASE WHEN counts.recipe_id = pairs.second_recipe_id THEN counts.times ELSE 0 END) AS other_times
    FROM pairs
    JOIN counts
        ON counts.document_id = pairs.document_id
        AND counts.page_index = pairs.page_index
        AND counts.recipe_id IN (pairs.first_recipe_id, pairs.second_recipe_id)
    GROUP BY pairs.document_id, pairs.page_index, pairs.first_recipe_id, pairs.second_recipe_id, counts.what, counts.text
),
shares AS (
    SELECT
        document_id, page_index, first_recipe_id, second_recipe_id,
        SUM(CASE WHEN what = 'word' THEN 2 * LENGTH(text) * LEAST(times, other_times) END)
            / CAST(SUM(CASE WHEN what = 'word' THEN LENGTH(text) * (times + other_times) END) AS DOUBLE) AS words,
        SUM(CASE WHEN what = 'cell' THEN LEAST(times, other_times) END)
            / CAST(SUM(CASE WHEN what = 'cell' THEN GREATEST(times, other_times) END) AS DOUBLE) AS cells
    FROM bags
    GROUP BY document_id, page_index, first_recipe_id, second_recipe_id
)
SELECT
    REGEXP_EXTRACT(pairs.uri, '[^/]*$', 0) AS name,
    pairs.page_index,
    pairs.first_recipe_id,
    pairs.second_recipe_id,
    ROUND(shares.words, 4) AS words,
    ROUND(shares.cells, 4) AS cells,
    pairs.uri
FROM pairs
LEFT JOIN shares
    ON shares.document_id = pairs.document_id
    AND shares.page_index = pairs.page_index
    AND shares.first_recipe_id = pairs.first_recipe_id
    AND shares.second_recipe_id = pairs.second_recipe_id
ORDER BY LEAST(COALESCE(shares.words, 1.0), COALESCE(shares.cells, 1.0)), pairs.uri, pairs.page_index, pairs.first_recipe_id

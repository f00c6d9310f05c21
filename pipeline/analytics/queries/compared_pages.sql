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
            AND POSITION(LOWER($name) IN LOWER(REGEXP_EXTRACT(pages.uri, '[^/]*$', 0))) > 0
    ) AS ranked
    WHERE place = 1
),
pairs AS (
    SELECT
        one.uri, one.document_id, one.page_index, one.recipe_id AS first_recipe_id, other.recipe_id AS second_recipe_id,
        ROW_NUMBER() OVER (ORDER BY one.document_id, one.page_index, one.recipe_id, other.recipe_id) AS pair_id
    FROM answers AS one
    JOIN answers AS other ON other.document_id = one.document_id AND other.page_index = one.page_index
    WHERE (one.recipe_id LIKE CONCAT($first, '%') OR one.reader LIKE LOWER(CONCAT('%', $first, '%')))
        AND (other.recipe_id LIKE CONCAT($second, '%') OR other.reader LIKE LOWER(CONCAT('%', $second, '%')))
        AND (one.recipe_id < other.recipe_id OR ($first <> $second AND one.recipe_id <> other.recipe_id))
),
sides AS (
    SELECT
        pairs.pair_id, CASE WHEN answers.recipe_id = pairs.first_recipe_id THEN 1 ELSE 0 END AS is_first, answers.recipe_id,
        answers.source_id, answers.page_index, answers.plan_id, answers.attempt, answers.rewrite, answers.text_plain
    FROM pairs
    JOIN answers
        ON answers.document_id = pairs.document_id
        AND answers.page_index = pairs.page_index
        AND answers.recipe_id IN (pairs.first_recipe_id, pairs.second_recipe_id)
),
said AS (
    SELECT sides.pair_id, sides.is_first, 'word' AS what, words.word AS text
    FROM sides
    CROSS JOIN UNNEST(REGEXP_EXTRACT_ALL(LOWER(sides.text_plain), '[\p{L}\p{M}\p{N}]+', 0)) AS words (word)
    UNION ALL
    SELECT sides.pair_id, sides.is_first, 'cell' AS what, LOWER(TRIM(table_cells.text)) AS text
    FROM sides
    JOIN table_cells
        ON table_cells.source_id = sides.source_id
        AND table_cells.page_index = sides.page_index
        AND table_cells.plan_id = sides.plan_id
        AND table_cells.attempt = sides.attempt
        AND table_cells.recipe_id = sides.recipe_id
        AND COALESCE(table_cells.rewrite, 0) = sides.rewrite
    WHERE table_cells.text <> ''
),
bags AS (
    SELECT pair_id, what, text, SUM(is_first) AS times, SUM(1 - is_first) AS other_times
    FROM said
    GROUP BY pair_id, what, text
),
shares AS (
    SELECT
        pair_id,
        SUM(CASE WHEN what = 'word' THEN 2 * LENGTH(text) * LEAST(times, other_times) END)
            / CAST(SUM(CASE WHEN what = 'word' THEN LENGTH(text) * (times + other_times) END) AS DOUBLE) AS words,
        SUM(CASE WHEN what = 'cell' THEN LEAST(times, other_times) END)
            / CAST(SUM(CASE WHEN what = 'cell' THEN GREATEST(times, other_times) END) AS DOUBLE) AS cells
    FROM bags
    GROUP BY pair_id
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
LEFT JOIN shares ON shares.pair_id = pairs.pair_id
ORDER BY LEAST(COALESCE(shares.words, 1.0), COALESCE(shares.cells, 1.0)), pairs.uri, pairs.page_index, pairs.first_recipe_id

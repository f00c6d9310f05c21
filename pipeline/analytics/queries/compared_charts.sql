-- Two recipes on the same charts: how many of the points that either has both have, 0 to 1; what differs most comes first.
-- $first = '': a recipe_id or its beginning, or part of the engine's or the model's name; every recipe by default
-- $second = '': the same of the other recipe
-- $name = '': the document's name, or part of it
WITH answers AS (
    SELECT *
    FROM (
        SELECT
            charts.document_id, charts.page_index, charts.region_index, charts.recipe_id, charts.uri, charts.source_id, charts.plan_id,
            charts.attempt, COALESCE(charts.rewrite, 0) AS rewrite,
            LOWER(CONCAT(charts.engine, ' ', COALESCE(charts.model, ''))) AS reader,
            ROW_NUMBER() OVER (
                PARTITION BY charts.document_id, charts.page_index, charts.region_index, charts.recipe_id
                ORDER BY charts.plan_id DESC, charts.attempt DESC, charts.source_id, COALESCE(charts.rewrite, 0) DESC
            ) AS place
        FROM charts
        JOIN (SELECT DISTINCT source_id, plan_id FROM documents) AS whole
            ON whole.source_id = charts.source_id AND whole.plan_id = charts.plan_id
        WHERE charts.status IN ('ok', 'none', 'partial')
            AND POSITION(LOWER($name) IN LOWER(REGEXP_EXTRACT(charts.uri, '[^/]*$', 0))) > 0
    ) AS ranked
    WHERE place = 1
),
points AS (
    SELECT
        answers.document_id, answers.page_index, answers.region_index, answers.recipe_id, chart_points.point_index, chart_points.x_value,
        chart_points.value, chart_points.is_estimated, LOWER(TRIM(COALESCE(chart_points.x_text, ''))) AS x_text,
        LOWER(TRIM(COALESCE(chart_points.series, ''))) AS series
    FROM answers
    JOIN chart_points
        ON chart_points.source_id = answers.source_id
        AND chart_points.page_index = answers.page_index
        AND chart_points.region_index = answers.region_index
        AND chart_points.plan_id = answers.plan_id
        AND chart_points.attempt = answers.attempt
        AND chart_points.recipe_id = answers.recipe_id
        AND COALESCE(chart_points.rewrite, 0) = answers.rewrite
    WHERE chart_points.value IS NOT NULL
),
sizes AS (
    SELECT
        document_id, page_index, region_index, recipe_id,
        COUNT(*) AS num_points,
        COUNT(DISTINCT series) AS num_series,
        GREATEST(MAX(value), 0.0) - LEAST(MIN(value), 0.0) AS span,
        COALESCE(MAX(x_value) - MIN(x_value), 0.0) AS x_span
    FROM points
    GROUP BY document_id, page_index, region_index, recipe_id
),
pairs AS (
    SELECT
        one.uri, one.document_id, one.page_index, one.region_index,
        one.recipe_id AS first_recipe_id, other.recipe_id AS second_recipe_id
    FROM answers AS one
    JOIN answers AS other
        ON other.document_id = one.document_id AND other.page_index = one.page_index AND other.region_index = one.region_index
    WHERE (one.recipe_id LIKE CONCAT($first, '%') OR one.reader LIKE LOWER(CONCAT('%', $first, '%')))
        AND (other.recipe_id LIKE CONCAT($second, '%') OR other.reader LIKE LOWER(CONCAT('%', $second, '%')))
        AND (one.recipe_id < other.recipe_id OR ($first <> $second AND one.recipe_id <> other.recipe_id))
),
sized AS (
    SELECT
        pairs.*,
        COALESCE(one.num_points, 0) AS num_first_points, COALESCE(other.num_points, 0) AS num_second_points,
        CASE WHEN one.num_series = 1 AND other.num_series = 1 THEN 1 ELSE 0 END AS is_single,
        other.span, other.x_span
    FROM pairs
    LEFT JOIN sizes AS one
        ON one.document_id = pairs.document_id AND one.page_index = pairs.page_index
        AND one.region_index = pairs.region_index AND one.recipe_id = pairs.first_recipe_id
    LEFT JOIN sizes AS other
        ON other.document_id = pairs.document_id AND other.page_index = pairs.page_index
        AND other.region_index = pairs.region_index AND other.recipe_id = pairs.second_recipe_id
),
matched AS (
    SELECT
        sized.document_id, sized.page_index, sized.region_index, sized.first_recipe_id, sized.second_recipe_id,
        COUNT(DISTINCT one.point_index) AS num_same, COUNT(DISTINCT other.point_index) AS num_other_same
    FROM sized
    JOIN points AS one
        ON one.document_id = sized.document_id AND one.page_index = sized.page_index
        AND one.region_index = sized.region_index AND one.recipe_id = sized.first_recipe_id
    JOIN points AS other
        ON other.document_id = sized.document_id AND other.page_index = sized.page_index
        AND other.region_index = sized.region_index AND other.recipe_id = sized.second_recipe_id
    WHERE (one.series = other.series OR sized.is_single = 1)
        AND (one.x_text = other.x_text OR ABS(one.x_value - other.x_value) <= 0.01 * sized.x_span)
        AND ABS(one.value - other.value) <= sized.span * CASE WHEN one.is_estimated = FALSE THEN 0.005 ELSE 0.02 END
    GROUP BY sized.document_id, sized.page_index, sized.region_index, sized.first_recipe_id, sized.second_recipe_id
),
shares AS (
    SELECT
        sized.*,
        LEAST(COALESCE(matched.num_same, 0), COALESCE(matched.num_other_same, 0)) AS num_same
    FROM sized
    LEFT JOIN matched
        ON matched.document_id = sized.document_id
        AND matched.page_index = sized.page_index
        AND matched.region_index = sized.region_index
        AND matched.first_recipe_id = sized.first_recipe_id
        AND matched.second_recipe_id = sized.second_recipe_id
)
SELECT
    REGEXP_EXTRACT(uri, '[^/]*$', 0) AS name,
    page_index,
    region_index,
    first_recipe_id,
    second_recipe_id,
    num_first_points,
    num_second_points,
    ROUND(num_same / NULLIF(CAST(num_first_points + num_second_points - num_same AS DOUBLE), 0), 4) AS points,
    uri
FROM shares
ORDER BY
    COALESCE(num_same / NULLIF(CAST(num_first_points + num_second_points - num_same AS DOUBLE), 0), 1.0),
    uri, page_index, region_index, first_recipe_id

-- A chart by its title as a time series, over all documents that have it.
-- $title = '': part of the title
-- $name = '': part of the document's name
SELECT
    documents.name,
    charts.title,
    points.series,
    points.x_time,
    points.x_text,
    points.value,
    points.unit,
    points.is_estimated,
    documents.uri,
    points.page_index
FROM current_chart_points AS points
JOIN current_charts AS charts
    ON charts.source_id = points.source_id
    AND charts.page_index = points.page_index
    AND charts.region_index = points.region_index
JOIN current_documents AS documents ON documents.document_id = points.document_id
WHERE POSITION(LOWER($title) IN LOWER(charts.title)) > 0
    AND POSITION(LOWER($name) IN LOWER(documents.name)) > 0
ORDER BY charts.title, points.series, points.x_time, points.x_value, documents.name, points.page_index, points.point_index

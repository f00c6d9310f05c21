-- Tables that have a word in their header, cell by cell: each row's label, the column's header, the text and its typed value.
-- $word = '': the word
-- $name = '': the document's name, or part of it
SELECT
    documents.name,
    cells.page_index,
    cells.table_index,
    cells.row_index,
    cells.row_label,
    cells.header,
    cells.text,
    cells.value,
    cells.unit
FROM current_table_cells AS cells
JOIN current_documents AS documents ON documents.document_id = cells.document_id
JOIN (
    SELECT document_id, page_index, table_index
    FROM current_table_cells
    WHERE is_header AND POSITION(LOWER($word) IN LOWER(text)) > 0
    GROUP BY document_id, page_index, table_index
) AS found
    ON found.document_id = cells.document_id
    AND found.page_index = cells.page_index
    AND found.table_index = cells.table_index
WHERE NOT cells.is_header
    AND POSITION(LOWER($name) IN LOWER(documents.name)) > 0
ORDER BY documents.uri, cells.page_index, cells.table_index, cells.row_index, cells.column_index

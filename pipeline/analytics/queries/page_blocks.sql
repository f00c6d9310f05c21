-- What stands on a page, in reading order, with its boxes in pixels of the rendered page.
-- $name = '': the document's name, or part of it
-- $page = '1': the page, from 1
SELECT
    documents.name,
    blocks.page_index,
    blocks.block_index,
    blocks.kind,
    blocks.left_px,
    blocks.top_px,
    blocks.right_px,
    blocks.bottom_px,
    blocks.text
FROM current_blocks AS blocks
JOIN current_documents AS documents ON documents.document_id = blocks.document_id
WHERE POSITION(LOWER($name) IN LOWER(documents.name)) > 0
    AND blocks.page_index = CAST($page AS BIGINT) - 1
ORDER BY documents.uri, blocks.block_index

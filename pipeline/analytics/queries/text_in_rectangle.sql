-- The blocks of a page whose middle lies in a rectangle, in shares of the page's width and height, from its top left corner.
-- $name = '': the document's name, or part of it
-- $page = '1': the page, from 1
-- $left = '0': left edge, 0 to 1
-- $top = '0': top edge, 0 to 1
-- $right = '1': right edge, 0 to 1
-- $bottom = '1': bottom edge, 0 to 1
SELECT
    documents.name,
    blocks.page_index,
    blocks.block_index,
    blocks.kind,
    blocks.text
FROM current_blocks AS blocks
JOIN current_pages AS pages ON pages.source_id = blocks.source_id AND pages.page_index = blocks.page_index
JOIN current_documents AS documents ON documents.document_id = blocks.document_id
WHERE LOWER(documents.name) LIKE LOWER(CONCAT('%', $name, '%'))
    AND blocks.page_index = CAST($page AS BIGINT) - 1
    AND (blocks.left_px + blocks.right_px) / 2 BETWEEN CAST($left AS DOUBLE) * pages.width_px AND CAST($right AS DOUBLE) * pages.width_px
    AND (blocks.top_px + blocks.bottom_px) / 2 BETWEEN CAST($top AS DOUBLE) * pages.height_px AND CAST($bottom AS DOUBLE) * pages.height_px
ORDER BY documents.uri, blocks.block_index

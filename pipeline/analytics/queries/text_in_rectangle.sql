-- What of a page has its middle in a rectangle, in shares of its width and height, from its top left corner: words by line where they were kept, else blocks.
-- $name = '': the document's name, or part of it
-- $page = '1': the page, from 1
-- $left = '0': left edge, 0 to 1
-- $top = '0': top edge, 0 to 1
-- $right = '1': right edge, 0 to 1
-- $bottom = '1': bottom edge, 0 to 1
SELECT name, page_index, line_index, block_index, kind, text
FROM (
    SELECT
        documents.name,
        documents.uri,
        words.page_index,
        words.line_index,
        CAST(NULL AS BIGINT) AS block_index,
        'words' AS kind,
        ARRAY_JOIN(ARRAY_AGG(words.text ORDER BY words.word_index), ' ') AS text
    FROM current_words AS words
    JOIN current_pages AS pages ON pages.source_id = words.source_id AND pages.page_index = words.page_index
    JOIN current_documents AS documents ON documents.document_id = words.document_id
    WHERE POSITION(LOWER($name) IN LOWER(documents.name)) > 0
        AND words.page_index = CAST($page AS BIGINT) - 1
        AND (words.left_px + words.right_px) / 2 BETWEEN CAST($left AS DOUBLE) * pages.width_px AND CAST($right AS DOUBLE) * pages.width_px
        AND (words.top_px + words.bottom_px) / 2 BETWEEN CAST($top AS DOUBLE) * pages.height_px AND CAST($bottom AS DOUBLE) * pages.height_px
    GROUP BY documents.name, documents.uri, words.page_index, words.line_index
    UNION ALL
    SELECT
        documents.name,
        documents.uri,
        blocks.page_index,
        CAST(NULL AS BIGINT) AS line_index,
        blocks.block_index,
        blocks.kind,
        blocks.text
    FROM current_blocks AS blocks
    JOIN current_pages AS pages ON pages.source_id = blocks.source_id AND pages.page_index = blocks.page_index
    JOIN current_documents AS documents ON documents.document_id = blocks.document_id
    WHERE POSITION(LOWER($name) IN LOWER(documents.name)) > 0
        AND blocks.page_index = CAST($page AS BIGINT) - 1
        AND (blocks.left_px + blocks.right_px) / 2 BETWEEN CAST($left AS DOUBLE) * pages.width_px AND CAST($right AS DOUBLE) * pages.width_px
        AND (blocks.top_px + blocks.bottom_px) / 2 BETWEEN CAST($top AS DOUBLE) * pages.height_px AND CAST($bottom AS DOUBLE) * pages.height_px
        AND NOT EXISTS (
            SELECT 1
            FROM current_words AS words
            WHERE words.source_id = blocks.source_id AND words.page_index = blocks.page_index
        )
) AS found
ORDER BY uri, line_index, block_index

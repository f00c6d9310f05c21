-- Tables that have a word in their first row, as Markdown and as HTML.
-- $word = '': the word
-- $name = '': the document's name, or part of it
SELECT
    documents.name,
    blocks.page_index,
    blocks.block_index,
    blocks.text,
    blocks.html
FROM current_blocks AS blocks
JOIN current_documents AS documents ON documents.document_id = blocks.document_id
WHERE blocks.kind = 'table'
    AND LOWER(SPLIT_PART(blocks.text, CHR(10), 1)) LIKE LOWER(CONCAT('%', $word, '%'))
    AND LOWER(documents.name) LIKE LOWER(CONCAT('%', $name, '%'))
ORDER BY documents.uri, blocks.page_index, blocks.block_index

-- The pages of a document as Markdown, in order: with --raw it is the document.
-- $name = '': its name, or part of it
SELECT pages.text_markdown
FROM current_pages AS pages
JOIN current_documents AS documents ON documents.document_id = pages.document_id
WHERE POSITION(LOWER($name) IN LOWER(documents.name)) > 0
    AND pages.text_markdown IS NOT NULL
ORDER BY documents.uri, pages.page_index

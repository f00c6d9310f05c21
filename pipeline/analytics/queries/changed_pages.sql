-- Pages whose text changed between two versions of a document, with both texts.
-- $name = '': the document's name, or part of it
SELECT
    name,
    version,
    page_index,
    change,
    previous_text_plain,
    text_plain,
    uri
FROM page_versions
WHERE change <> 'same'
    AND POSITION(LOWER($name) IN LOWER(name)) > 0
ORDER BY uri, version, page_index

-- Pages that a person should look at, the least trusted first: read in part, far from the PDF's own text, asked again, or flagged.
-- $confidence = '0.8': the engine's own confidence below which a page is looked at
-- $agreement = '0.9': the same of its agreement with the PDF's own text
-- $flagged = 'yes': yes: also pages that were asked again or have a flag; no: those below the thresholds alone
SELECT
    documents.name,
    pages.page_index,
    pages.status,
    pages.text_layer_agreement,
    pages.confidence,
    pages.grammar_overrides,
    pages.stop_reason,
    pages.num_asks,
    pages.flags,
    documents.uri
FROM current_pages AS pages
JOIN current_documents AS documents ON documents.document_id = pages.document_id
WHERE pages.status IN ('partial', 'failed')
    OR pages.text_layer_agreement < CAST($agreement AS DOUBLE)
    OR pages.confidence < CAST($confidence AS DOUBLE)
    OR ($flagged = 'yes' AND (pages.grammar_overrides > 0.05 OR pages.num_asks > 1 OR CARDINALITY(pages.flags) > 0))
ORDER BY
    CASE pages.status WHEN 'failed' THEN 0 WHEN 'partial' THEN 1 ELSE 2 END,
    COALESCE(pages.text_layer_agreement, pages.confidence, 1.0),
    documents.name,
    pages.page_index

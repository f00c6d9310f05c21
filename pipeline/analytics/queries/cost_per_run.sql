-- What each run read and cost, the newest first. cost is null where no price is configured; a run without an end was killed.
SELECT
    run_id,
    status,
    started_at,
    engine,
    model,
    num_documents,
    num_pages,
    num_failures,
    seconds,
    pages_per_s,
    num_output_tokens,
    gpu_s,
    cost,
    currency,
    cost / NULLIF(num_pages, 0) AS cost_per_page,
    num_output_tokens / NULLIF(CAST(num_pages AS DOUBLE), 0) AS output_tokens_per_page
FROM runs
ORDER BY started_at DESC, run_id DESC

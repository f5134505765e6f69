-- Data planes sent nothing that the ledger had to set aside.
SELECT subject, reason, times, first_at, last_at FROM usage_aside WHERE last_at >= $1

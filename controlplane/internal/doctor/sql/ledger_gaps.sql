-- No request has been missing from a data plane's sequence for more than a minute.
SELECT data_plane_id, epoch, contiguous_seq, highest_seq, gap_since
FROM usage_watermark WHERE gap_since < now() - interval '60 seconds'

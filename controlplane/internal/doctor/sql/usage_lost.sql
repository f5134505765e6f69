-- No data plane has lost usage since it started.
SELECT data_plane_id, epoch, usage_lost FROM data_plane WHERE usage_lost > 0

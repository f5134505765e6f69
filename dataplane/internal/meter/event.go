package meter

import (
	"strings"
	"unicode/utf8"

	usagev1 "github.com/tollgate/tollgate/proto/tollgate/usage/v1"
	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of the usage messages; a test compares what is written here
// with what protobuf reads.
const (
	fieldSeq         = 1
	fieldBatchDP     = 1
	fieldBatchEpoch  = 2
	fieldBatchEvents = 3
)

// appendEvent writes an event as protobuf would, without its seq, several
// times as fast: this is done for each request. Texts that are not UTF-8 are
// mended, because the other side would refuse the whole batch.
func appendEvent(b []byte, e *usagev1.Event) []byte {
	b = appendString(b, 2, e.GetTenantId())
	b = appendString(b, 3, e.GetProjectId())
	b = appendString(b, 4, e.GetApiKeyId())
	b = appendString(b, 5, e.GetRequestId())
	b = appendString(b, 6, e.GetRoute())
	b = appendString(b, 7, e.GetOperation())
	b = appendVarint(b, 8, uint64(e.GetStartedAtUnixNano()))
	b = appendVarint(b, 9, uint64(e.GetDurationNs()))
	b = appendVarint(b, 10, uint64(e.GetTimeToFirstTokenNs()))
	b = appendVarint(b, 11, uint64(e.GetOutcome()))
	b = appendVarint(b, 12, uint64(int64(e.GetHttpStatus())))
	b = appendString(b, 13, e.GetErrorCode())
	b = appendBool(b, 14, e.GetStreamed())
	b = appendBool(b, 15, e.GetEstimated())
	if t := e.GetTokens(); t != nil {
		var at int
		b, at = openMessage(b, 16)
		b = closeMessage(appendTokens(b, t), at)
	}
	b = appendVarint(b, 17, uint64(e.GetCostNano()))
	b = appendVarint(b, 18, uint64(e.GetPriceNano()))
	b = appendString(b, 19, e.GetCostPriceId())
	b = appendString(b, 20, e.GetSellPriceId())
	b = appendVarint(b, 21, e.GetConfigRevision())
	for _, a := range e.GetAttempts() {
		var at int
		b, at = openMessage(b, 22)
		b = closeMessage(appendAttempt(b, a), at)
	}
	b = appendString(b, 23, e.GetClientIp())
	b = appendString(b, 24, e.GetUserAgent())
	b = appendString(b, 25, e.GetProvider())
	b = appendString(b, 26, e.GetProviderModel())
	if u := e.GetUnits(); u != nil {
		var at int
		b, at = openMessage(b, 27)
		b = closeMessage(appendUnits(b, u), at)
	}
	b = appendString(b, 28, e.GetServiceTier())
	return appendBool(b, 29, e.GetCostReported())
}

func appendTokens(b []byte, t *usagev1.Tokens) []byte {
	b = appendVarint(b, 1, uint64(t.GetInput()))
	b = appendVarint(b, 2, uint64(t.GetOutput()))
	b = appendVarint(b, 3, uint64(t.GetCacheRead()))
	b = appendVarint(b, 4, uint64(t.GetCacheWrite()))
	b = appendVarint(b, 5, uint64(t.GetReasoning()))
	b = appendVarint(b, 6, uint64(t.GetAudioInput()))
	b = appendVarint(b, 7, uint64(t.GetAudioOutput()))
	b = appendVarint(b, 8, uint64(t.GetImageInput()))
	b = appendVarint(b, 9, uint64(t.GetCacheWriteHour()))
	b = appendVarint(b, 10, uint64(t.GetImageOutput()))
	return appendVarint(b, 11, uint64(t.GetAudioCacheRead()))
}

func appendUnits(b []byte, u *usagev1.Units) []byte {
	b = appendVarint(b, 1, uint64(u.GetSearches()))
	b = appendVarint(b, 2, uint64(u.GetImages()))
	b = appendVarint(b, 3, uint64(u.GetAudioMilliseconds()))
	return appendVarint(b, 4, uint64(u.GetCharacters()))
}

func appendAttempt(b []byte, a *usagev1.Attempt) []byte {
	b = appendString(b, 1, a.GetProvider())
	b = appendString(b, 2, a.GetCredentialId())
	b = appendString(b, 3, a.GetModelId())
	b = appendString(b, 4, a.GetProviderModel())
	b = appendVarint(b, 5, uint64(int64(a.GetStatus())))
	b = appendString(b, 6, a.GetErrorCode())
	b = appendVarint(b, 7, uint64(a.GetStartedAtUnixNano()))
	b = appendVarint(b, 8, uint64(a.GetDurationNs()))
	return appendVarint(b, 9, uint64(a.GetTimeToFirstByteNs()))
}

func appendVarint(b []byte, num protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), v)
}

func appendBool(b []byte, num protowire.Number, v bool) []byte {
	if !v {
		return b
	}
	return append(protowire.AppendTag(b, num, protowire.VarintType), 1)
}

func appendString(b []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), s)
}

// openMessage leaves two bytes for a length: an event is far below 16 KiB.
func openMessage(b []byte, num protowire.Number) ([]byte, int) {
	b = protowire.AppendTag(b, num, protowire.BytesType)
	return append(b, 0, 0), len(b) + 2
}

// closeMessage fills the length in, as a varint of always two bytes.
func closeMessage(b []byte, at int) []byte {
	n := len(b) - at
	b[at-2], b[at-1] = byte(n)|0x80, byte(n>>7)
	return b
}

// fit makes an event smaller until it cannot exceed a record: texts and
// attempts are what grows, and money and tokens are never touched.
func fit(e *usagev1.Event) *usagev1.Event {
	const text, attempts = 120, 4
	short := func(s string) string { return clip(strings.ToValidUTF8(s, "?"), text) }
	out := &usagev1.Event{
		TenantId: short(e.GetTenantId()), ProjectId: short(e.GetProjectId()), ApiKeyId: short(e.GetApiKeyId()),
		RequestId: short(e.GetRequestId()), Route: short(e.GetRoute()), Operation: short(e.GetOperation()),
		StartedAtUnixNano: e.GetStartedAtUnixNano(), DurationNs: e.GetDurationNs(), TimeToFirstTokenNs: e.GetTimeToFirstTokenNs(),
		Outcome: e.GetOutcome(), HttpStatus: e.GetHttpStatus(), ErrorCode: short(e.GetErrorCode()),
		Streamed: e.GetStreamed(), Estimated: e.GetEstimated(), Tokens: e.GetTokens(),
		CostNano: e.GetCostNano(), PriceNano: e.GetPriceNano(), CostPriceId: short(e.GetCostPriceId()), SellPriceId: short(e.GetSellPriceId()),
		ConfigRevision: e.GetConfigRevision(), ClientIp: short(e.GetClientIp()), UserAgent: short(e.GetUserAgent()),
		Provider: short(e.GetProvider()), ProviderModel: short(e.GetProviderModel()),
		Units: e.GetUnits(), ServiceTier: short(e.GetServiceTier()), CostReported: e.GetCostReported(),
	}
	// The last attempts tell how it ended.
	all := e.GetAttempts()
	for _, a := range all[max(0, len(all)-attempts):] {
		out.Attempts = append(out.Attempts, &usagev1.Attempt{
			Provider: clip(short(a.GetProvider()), 60), CredentialId: clip(short(a.GetCredentialId()), 60), ModelId: clip(short(a.GetModelId()), 60),
			ProviderModel: clip(short(a.GetProviderModel()), 60), Status: a.GetStatus(), ErrorCode: clip(short(a.GetErrorCode()), 60),
			StartedAtUnixNano: a.GetStartedAtUnixNano(), DurationNs: a.GetDurationNs(), TimeToFirstByteNs: a.GetTimeToFirstByteNs(),
		})
	}
	return out
}

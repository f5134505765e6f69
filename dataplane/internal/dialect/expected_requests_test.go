package dialect_test

// requestReasons are the differences between what was expected of translations
// and ours.
var requestReasons = []reason{
	// To Anthropic.
	{snap: "completions/full anthropic", at: "output_config", theirs: "*additionalProperties*true*", ours: "-",
		why: "better: the API refuses schemas that leave an object open, so JSON of any shape is asked for in words"},
	{snap: "completions/full anthropic", at: "system[1]", theirs: "-", ours: "*one valid JSON object*",
		why: "better: the words in place of the schema that the API refuses"},
	{snap: "completions/full anthropic", at: "tools[1]", theirs: "-", ours: `*"calculate_fibonacci"*`,
		why: "better: functions are tools by their old name; the caller offered them"},
	{snap: "completions/reasoning_max anthropic", at: "max_tokens", theirs: "4096", ours: "12288",
		why: "better: the caller set no bound, and with theirs the thoughts may take all of the answer but one token"},
	{snap: "completions/reasoning_max anthropic", at: "thinking.budget_tokens", theirs: "4095", ours: "8192",
		why: "better: the budget that stands for this effort, not what an arbitrary bound leaves of it"},
	{snap: "completions/tool-call anthropic", at: "messages[2].content[1]", theirs: "-", ours: `*"tool_result"*`,
		why: "better: the API wants the results of parallel calls in the one message after them"},
	{snap: "completions/tool-call anthropic", at: "messages[3]", theirs: `*"tool_result"*`, ours: "-",
		why: "better: the same, from the other side"},
	{snap: "messages/reasoning vertex", at: "messages[0].content[0].cache_control.scope", theirs: "-", ours: `"turn"`,
		why: "as good: same dialect, so what is not known passes; the provider judges it"},
	{snap: "messages/reasoning vertex", at: "output_format", theirs: "-", ours: `"markdown"`,
		why: "as good: same dialect, so what is not known passes; the provider judges it"},

	// To Gemini.
	{snap: "completions/* vertex-gemini", at: "tools[0].functionDeclarations[0].parameters", theirs: "{*}", ours: "-",
		why: "better: a JSON schema has its own field, which takes what the older one refuses"},
	{snap: "completions/* vertex-gemini", at: "tools[0].functionDeclarations[0].parametersJsonSchema", theirs: "-", ours: "{*}",
		why: "better: the same, from the other side"},
	{snap: "completions/structured-output vertex-gemini", at: "generationConfig.responseSchema", theirs: "{*}", ours: "-",
		why: "better: a JSON schema has its own field, where $defs and $ref stay what they are"},
	{snap: "completions/structured-output vertex-gemini", at: "generationConfig.responseJsonSchema", theirs: "-", ours: `*"$defs"*`,
		why: "better: the same, from the other side"},
	{snap: "completions/* vertex-gemini", at: "contents[*].parts[*].functionCall.id", theirs: "-", ours: `"call_*"`,
		why: "better: calls of one function are told apart by their ids"},
	{snap: "completions/* vertex-gemini", at: "contents[*].parts[*].functionResponse.id", theirs: "-", ours: `"call_*"`,
		why: "better: results find their calls by id"},

	// To chat completions.
	{snap: "messages/structured-output completions", at: "reasoning_effort", theirs: "-", ours: `"high"`,
		why: "better: the effort that the caller asked for is kept"},
	{snap: "messages/cache_control completions", at: "messages[2].content[0].prompt_cache_breakpoint", theirs: "-", ours: `{"mode":"explicit"}`,
		why: "better: images take marks too"},
	{snap: "messages/cache_control completions", at: "messages[*].content[*].prompt_cache_breakpoint", theirs: `{"mode":"explicit"}`, ours: "-",
		why: "better: the API takes four marks in a request; the first four are kept, the others named as dropped"},
	{snap: "messages/cache_control completions", at: "messages[3].content", theirs: "-", ours: "null",
		why: "equal: a message of calls alone; some compatible providers want the field"},
	{snap: "messages/cache_control completions", at: "messages[8].*", theirs: "*", ours: `*`,
		why: "better: images in results of tools, which the API takes only from users, follow in a message of the user and are not lost"},
	{snap: "messages/cache_control completions", at: "messages[9]", theirs: "-", ours: `*"System-role block"*`,
		why: "equal: one further back, for the message with the images"},
	{snap: "responses/* gemini", at: "messages[*].content", theirs: "-", ours: "null",
		why: "equal: a message of calls alone; some compatible providers want the field"},

	{snap: "responses/cache_control gemini", at: "messages[*].content[0].prompt_cache_breakpoint", theirs: `{"mode":"explicit"}`, ours: "-",
		why: "better: models before GPT-5.6, as this one, refuse the mark; it is named as dropped"},
	{snap: "responses/* gemini", at: "messages[*].role", theirs: `"developer"`, ours: `"system"`,
		why: "equal: two names of one role, of which every compatible provider knows this one"},

	// To Responses.
	{snap: "messages/* responses", at: "store", theirs: "-", ours: "false",
		why: "better: who speaks Messages did not ask to have the conversation kept, which is the API's default"},
	{snap: "messages/* responses", at: "stream", theirs: "false", ours: "-",
		why: "equal: not to stream is the default"},
	{snap: "messages/* responses", at: "tools[0].strict", theirs: "-", ours: "false",
		why: "better: Messages are not strict unless they say so, Responses are"},
	{snap: "messages/responses_agent_subset responses", at: "include", theirs: "-", ours: `["reasoning.encrypted_content"]`,
		why: "better: without it the thoughts could not come back with the next turn"},
	{snap: "messages/responses_agent_subset responses", at: "input[1].arguments", theirs: `"{\"location\":\"San Francisco\"}"`, ours: `*\n*`,
		why: "equal: the same arguments as the caller wrote them, spaces included"},
	{snap: "messages/responses_agent_subset responses", at: "input[1].id", theirs: `"call_weather"`, ours: "-",
		why: "better: the id of an item is optional and another one than the call's"},
	{snap: "messages/responses_agent_subset responses", at: "input[*].status", theirs: `"completed"`, ours: "-",
		why: "equal: the field is optional and says nothing of what is sent in"},
	{snap: "messages/responses_agent_subset responses", at: "metadata", theirs: "*", ours: "-",
		why: "as good: nothing is stored that it could describe; user_id goes to user, the rest is named as dropped"},
	{snap: "messages/responses_agent_subset responses", at: "user", theirs: "-", ours: `"user-123"`,
		why: "better: the API's own field for the end user"},

	// What was said, for guards.
	{snap: "responses/assistant-history get-messages-responses", at: "[0].content", theirs: `"Here is the answer."`, ours: `*I cannot help*`,
		why: "better: a refusal is text that was said"},
	{snap: "gemini/tools get-messages-gemini", at: "[2].role", theirs: `"user"`, ours: `"tool"`,
		why: "better: it holds the result of a tool and nothing that a user said"},

	// Same dialect.
	{snap: "policies/openai_with_text_input openai", at: "input", theirs: `[*"Hello, world"*]`, ours: `"Hello, world"`,
		why: "equal: the same message, as the caller wrote it"},
}

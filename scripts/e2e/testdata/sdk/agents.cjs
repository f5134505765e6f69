// Sessions as coding agents have them: one that speaks Messages, as Claude Code
// does, and one that speaks Responses, as Codex does. Everything is streamed.
'use strict';
const { load, assert, gateway, key, place, reported, main } = require('./suite.cjs');
const Anthropic = load('@anthropic-ai/sdk').default;
const OpenAI = load('openai');

const anthropic = new Anthropic({ baseURL: gateway, authToken: key, apiKey: null, defaultHeaders: { 'anthropic-beta': 'interleaved-thinking-2025-05-14,claude-code-20250219' } });
const openai = new OpenAI({ baseURL: gateway + '/v1', apiKey: key });

const object = (properties, required) => ({ type: 'object', properties, required, additionalProperties: false, $schema: 'http://json-schema.org/draft-07/schema#' });
const text = { type: 'string' };
const schemas = {
  Bash: object({ command: text, timeout: { type: 'number', description: 'In ms' } }, ['command']),
  Read: object({ file_path: text, offset: { type: 'number' } }, ['file_path']),
  Edit: object({ file_path: text, old_string: text, new_string: text, replace_all: { type: 'boolean', default: false } }, ['file_path', 'old_string', 'new_string']),
  MultiEdit: object({ file_path: text, edits: { type: 'array', minItems: 1, items: object({ old: text, new: text }, ['old', 'new']) } }, ['file_path', 'edits']),
  Grep: object({ pattern: text, mode: { type: 'string', enum: ['content', 'count'] } }, ['pattern']),
  TodoWrite: object({ todos: { type: 'array', items: object({ content: text, status: { type: 'string', enum: ['pending', 'done'] } }, ['content', 'status']) } }, ['todos']),
  mcp__github__list_issues: object({ repo: text, state: { anyOf: [{ type: 'string' }, { type: 'null' }] } }, ['repo']),
};
const many = Object.entries(schemas);
const cache = { cache_control: { type: 'ephemeral' } };

// messagesTurn sends the session and takes in the answer.
async function messagesTurn(c, session, thinking) {
  const s = anthropic.beta.messages.stream({
    model: c.model, max_tokens: 8000, thinking, messages: session, metadata: { user_id: 'user_1' },
    system: [{ type: 'text', text: 'You are an agent.' }, { type: 'text', text: 'Be "brief".\n<env>', ...cache }],
    tools: many.map(([name, input_schema], i) => ({ name, description: `Use ${name}.`, input_schema, ...(i === many.length - 1 && cache) })),
  });
  const r = await s.finalMessage();
  session.push({ role: 'assistant', content: r.content });
  return r;
}

async function messagesSession(c, thinking) {
  const session = [{ role: 'user', content: [
    { type: 'text', text: '<system-reminder>Today is Sunday.</system-reminder>' },
    { type: 'text', text: c.say('Please use the tools Bash, Read and Grep one after another.'), ...cache },
  ] }];
  const results = ['a.go\nb.go', [{ type: 'text', text: 'package a' }], 'no match'];
  for (const [i, name] of ['Bash', 'Read', 'Grep'].entries()) {
    const r = await messagesTurn(c, session, thinking);
    const [call, ...more] = r.content.filter((b) => b.type === 'tool_use');
    assert.equal(r.stop_reason, 'tool_use');
    assert.deepEqual([call.name, more.length], [name, 0]);
    assert.ok(Object.values(call.input).includes(place));
    session.push({ role: 'user', content: [{ type: 'tool_result', tool_use_id: call.id, content: results[i], is_error: i === 2 }] });
  }
  let r = await messagesTurn(c, session, thinking);
  reported(r.content.at(-1).text, 'system: You are an agent.', 'Be "brief".\n<env>', 'Bash=a.go\nb.go', 'Read=package a', 'no match');
  if (thinking && c.model === 'messages') reported(r.content.at(-1).text, 'thoughts: 3', 'cache: 3');
  // A second task with calls at once, one of them refused by the user.
  session.push({ role: 'user', content: c.say('Now use the tools MultiEdit and TodoWrite.') });
  r = await messagesTurn(c, session, thinking);
  const calls = r.content.filter((b) => b.type === 'tool_use');
  assert.deepEqual(calls.map((b) => b.name), ['MultiEdit', 'TodoWrite']);
  assert.deepEqual(calls[1].input, { todos: [{ content: place, status: 'pending' }] });
  session.push({ role: 'user', content: [
    ...calls.map((b, i) => ({ type: 'tool_result', tool_use_id: b.id, content: ['done', "The user doesn't want that."][i], is_error: i === 1 })),
    { type: 'text', text: c.say('[Request interrupted by user]') },
  ] });
  r = await messagesTurn(c, session, thinking);
  reported(r.content.at(-1).text, 'heard: [Request interrupted by user]', 'MultiEdit=done', "doesn't want that.");
  assert.ok(r.usage.output_tokens > 0 && r.usage.input_tokens > 0);
}

const patch = { type: 'custom', name: 'apply_patch', description: 'Edits files.', format: { type: 'grammar', syntax: 'lark', definition: 'start: /.+/s' } };

async function responsesTurn(c, input, more) {
  let done;
  const deltas = {};
  const s = await openai.responses.create({
    model: c.model, instructions: 'You are an agent.', input, stream: true, store: false, parallel_tool_calls: true, prompt_cache_key: 'session-1',
    tools: [...many.map(([name, parameters]) => ({ type: 'function', name, description: `Use ${name}.`, parameters, strict: false })), patch],
    tool_choice: 'auto', include: ['reasoning.encrypted_content'], ...more,
  });
  for await (const e of s) {
    if (/(arguments|input)\.delta$/.test(e.type)) deltas[e.item_id] = (deltas[e.item_id] ?? '') + e.delta;
    if (e.type === 'response.completed') done = e.response;
  }
  for (const o of done.output) {
    if (o.type === 'function_call') assert.equal(deltas[o.id], o.arguments);
    if (o.type === 'custom_tool_call') assert.equal(deltas[o.id], o.input);
  }
  // Agents send the items back without what only the answer had.
  input.push(...done.output.map(({ status, ...item }) => item));
  return done;
}

async function responsesSession(c, more) {
  const input = [
    { type: 'message', role: 'developer', content: [{ type: 'input_text', text: '<permissions>' }] },
    { type: 'message', role: 'user', content: [{ type: 'input_text', text: c.say('Please use the tools Bash, apply_patch and Grep one after another.') }] },
  ];
  for (const name of ['Bash', 'apply_patch', 'Grep']) {
    const r = await responsesTurn(c, input, more);
    const [call, ...others] = r.output.filter((o) => /call$/.test(o.type));
    assert.deepEqual([call.name, others.length], [name, 0]);
    if (more.reasoning) assert.equal(r.output[0].type, 'reasoning');
    if (name === 'apply_patch') {
      assert.equal(call.type, 'custom_tool_call');
      assert.ok(call.input.includes(place), call.input);
      input.push({ type: 'custom_tool_call_output', call_id: call.call_id, output: 'Done.' });
    } else {
      assert.ok(Object.values(JSON.parse(call.arguments)).includes(place));
      input.push({ type: 'function_call_output', call_id: call.call_id, output: JSON.stringify({ output: `ran ${name}`, metadata: { exit_code: 0 } }) });
    }
  }
  const r = await responsesTurn(c, input, more);
  const last = r.output.find((o) => o.type === 'message').content[0].text;
  reported(last, 'You are an agent.', '<permissions>', 'ran Bash', 'apply_patch=Done.', 'ran Grep');
  if (more.reasoning && c.model === 'messages') reported(last, 'thoughts: 3');
  assert.ok(r.usage.total_tokens > 0);
}

main(['agents', {
  'Messages session': (c) => messagesSession(c),
  'Messages session, thinking': (c) => messagesSession(c, { type: 'enabled', budget_tokens: 4000 }),
  'Responses session': (c) => responsesSession(c, {}),
  'Responses session, reasoning': (c) => responsesSession(c, { reasoning: { effort: 'medium', summary: 'auto' } }),
}]);

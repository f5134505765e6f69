// openai, Responses.
'use strict';
const { load, assert, gateway, key, badKey, png, schemas, answerSchema, asks, work, looped, reported, seen, answered, main } = require('./suite.cjs');
const OpenAI = load('openai');

const client = new OpenAI({ baseURL: gateway + '/v1', apiKey: key });
const tools = Object.entries(schemas).map(([name, parameters]) => ({ type: 'function', name, description: `The ${name}.`, parameters, strict: false }));
const create = (c, text, more = {}) => client.responses.create({ model: c.model, input: c.say(text), store: false, ...more });
const calls = (r) => r.output.filter((o) => o.type === 'function_call');

async function loop(c, more) {
  const input = [{ role: 'user', content: c.say(asks.loop) }];
  for (let n = 0; n < 6; n++) {
    const r = await client.responses.create({ model: c.model, input, tools, store: false, ...more });
    input.push(...r.output);
    if (calls(r).length === 0) return r.output_text;
    for (const t of calls(r)) {
      input.push({ type: 'function_call_output', call_id: t.call_id, output: JSON.stringify(work(t.name, JSON.parse(t.arguments))) });
    }
  }
  return assert.fail('the loop has no end');
}

main(['responses', {
  async chat(c) {
    const r = await create(c, 'Good day', { instructions: 'Be brief.' });
    assert.equal(r.status, 'completed');
    reported(r.output_text, 'heard: Good day', 'system: Be brief.', 'turns: user');
  },
  async 'multi-turn'(c) {
    const r = await create(c, '', {
      input: [{ role: 'user', content: 'One' }, { role: 'assistant', content: 'Two' }, { role: 'user', content: [{ type: 'input_text', text: c.say('Three') }] }],
    });
    reported(r.output_text, 'heard: Three', 'turns: user assistant user');
  },
  async stream(c) {
    let text = '', done;
    const kinds = new Set();
    for await (const e of await create(c, 'Good day', { stream: true })) {
      kinds.add(e.type);
      if (e.type === 'response.output_text.delta') text += e.delta;
      if (e.type === 'response.completed') done = e.response;
    }
    reported(text, 'heard: Good day');
    assert.equal(done.output[0].content[0].text, text);
    for (const kind of ['response.created', 'response.output_item.added', 'response.content_part.added', 'response.output_text.done', 'response.output_item.done']) assert.ok(kinds.has(kind), kind);
  },
  async tool(c) {
    const [call] = calls(await create(c, asks.tool, { tools }));
    work(call.name, JSON.parse(call.arguments));
  },
  async 'tool required'(c) {
    assert.equal(calls(await create(c, 'Good day', { tools, tool_choice: { type: 'function', name: 'clock' } }))[0].name, 'clock');
  },
  async 'parallel tools'(c) {
    const all = calls(await create(c, asks.parallel, { tools }));
    assert.deepEqual(all.map((t) => t.name), ['weather', 'clock']);
    assert.notEqual(all[0].call_id, all[1].call_id);
  },
  async 'streamed tools'(c) {
    const r = await client.responses.stream({ model: c.model, input: c.say(asks.parallel), tools, store: false }).finalResponse();
    assert.equal(calls(r).length, 2);
    for (const t of calls(r)) work(t.name, JSON.parse(t.arguments));
  },
  async 'agent loop'(c) {
    looped(await loop(c, {}));
  },
  async 'agent loop with reasoning'(c) {
    looped(await loop(c, { reasoning: { effort: 'low', summary: 'auto' }, include: ['reasoning.encrypted_content'] }));
  },
  async 'JSON schema'(c) {
    const r = await create(c, 'Where?', { text: { format: { type: 'json_schema', name: 'where', schema: answerSchema, strict: true } } });
    answered(JSON.parse(r.output_text));
  },
  async image(c) {
    const r = await create(c, '', {
      input: [{ role: 'user', content: [{ type: 'input_image', image_url: `data:image/png;base64,${png}`, detail: 'auto' }, { type: 'input_text', text: c.say('See') }] }],
    });
    reported(r.output_text, seen, 'heard: See');
  },
  async reasoning(c) {
    const r = await create(c, 'Think', { reasoning: { effort: 'low', summary: 'auto' } });
    reported(JSON.stringify(r.output.find((o) => o.type === 'reasoning')), 'Thinking about: Think');
    if (c.model !== 'messages') assert.ok(r.usage.output_tokens_details.reasoning_tokens > 0); // Anthropic does not say
  },
  async usage(c) {
    const u = (await create(c, asks.usage)).usage;
    assert.deepEqual([u.input_tokens, u.output_tokens, u.total_tokens, u.input_tokens_details.cached_tokens], [100, 9, 109, 30]);
  },
  async 'max tokens'(c) {
    const r = await create(c, 'Good day', { max_output_tokens: 3 });
    assert.equal(r.output_text, 'heard: Good day');
    assert.equal(r.status, 'incomplete');
    assert.equal(r.incomplete_details.reason, 'max_output_tokens');
  },
  async 'earlier response'(c) {
    await assert.rejects(create(c, 'x', { previous_response_id: 'resp_1' }), (e) => e instanceof OpenAI.BadRequestError && /previous_response_id/.test(e.message));
  },
  async 'unknown model'(c) {
    await assert.rejects(create({ ...c, model: 'nowhere' }, 'x'), (e) => e instanceof OpenAI.NotFoundError);
  },
  async 'wrong key'(c) {
    const stranger = new OpenAI({ baseURL: gateway + '/v1', apiKey: badKey });
    await assert.rejects(stranger.responses.create({ model: c.model, input: 'x' }), (e) => e instanceof OpenAI.AuthenticationError);
  },
  async 'limit, with retries'(c) {
    await assert.rejects(create(c, asks.limit), (e) => e instanceof OpenAI.RateLimitError);
    return { attempts: 3 };
  },
  async 'provider refuses'(c) {
    await assert.rejects(create(c, asks.refuse), (e) => e instanceof OpenAI.BadRequestError && /fake failure 400/.test(e.message));
    return { attempts: 1 };
  },
  async 'failure in the stream'(c) {
    await assert.rejects(async () => {
      for await (const e of await create(c, asks.broken, { stream: true })) if (e.type === 'error' || e.type === 'response.failed') throw new OpenAI.APIError(undefined, e, 'failed');
    }, (e) => e instanceof OpenAI.APIError);
  },
  async cancel(c) {
    const s = await create(c, asks.slow, { stream: true });
    let n = 0;
    for await (const e of s) {
      void e;
      if (++n === 6) s.controller.abort();
    }
    assert.ok(n < 50, `${n} events after the end`);
    return { cancelled: true };
  },
}]);

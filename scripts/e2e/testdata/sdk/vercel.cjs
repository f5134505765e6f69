// Vercel's ai with its three providers: chat completions, Messages and Gemini.
'use strict';
const { load, assert, gateway, key, badKey, png, schemas, answerSchema, asks, work, looped, reported, seen, answered, main } = require('./suite.cjs');
const { generateText, streamText, generateObject, jsonSchema, tool, stepCountIs, APICallError } = load('ai');
const { createOpenAI } = load('@ai-sdk/openai');
const { createAnthropic } = load('@ai-sdk/anthropic');
const { createGoogleGenerativeAI } = load('@ai-sdk/google');

const tools = (execute) => Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, tool({
  description: `The ${name}.`, inputSchema: jsonSchema(schema), execute: execute ? async (args) => work(name, args) : undefined,
})]));

// cases makes the cases of one provider of the SDK. thought are the options
// that ask for reasoning.
const cases = (connect, thought) => {
  const model = (c, apiKey = key) => connect(apiKey, c.model);
  const generate = (c, prompt, more = {}) => generateText({ model: model(c), prompt: c.say(prompt), maxRetries: 0, ...more });
  const status = (n, text) => (e) => {
    assert.ok(APICallError.isInstance(e), String(e));
    assert.equal(e.statusCode, n);
    assert.match(e.message, text);
    return true;
  };
  return {
    async chat(c) {
      const r = await generate(c, 'Good day', { system: 'Be brief.', temperature: 0.5 });
      reported(r.text, 'heard: Good day', 'system: Be brief.', 'turns: user');
      assert.equal(r.finishReason, 'stop');
    },
    async 'multi-turn'(c) {
      const messages = [{ role: 'user', content: 'One' }, { role: 'assistant', content: 'Two' }, { role: 'user', content: c.say('Three') }];
      reported((await generate(c, '', { prompt: undefined, messages })).text, 'heard: Three', 'turns: user assistant user');
    },
    async stream(c) {
      const r = streamText({ model: model(c), prompt: c.say('Good day'), maxRetries: 0 });
      let text = '', n = 0;
      for await (const piece of r.textStream) { text += piece; n++; }
      reported(text, 'heard: Good day');
      assert.ok(n > 2, `${n} pieces`);
      assert.equal(await r.finishReason, 'stop');
    },
    async tool(c) {
      const [call] = (await generate(c, asks.tool, { tools: tools(false) })).toolCalls;
      work(call.toolName, call.input);
    },
    async 'tool required'(c) {
      const r = await generate(c, 'Good day', { tools: tools(false), toolChoice: { type: 'tool', toolName: 'clock' } });
      assert.equal(r.toolCalls[0].toolName, 'clock');
    },
    async 'parallel tools'(c) {
      const { toolCalls } = await generate(c, asks.parallel, { tools: tools(false) });
      assert.deepEqual(toolCalls.map((t) => t.toolName), ['weather', 'clock']);
      assert.notEqual(toolCalls[0].toolCallId, toolCalls[1].toolCallId);
    },
    async 'agent loop'(c) {
      const r = await generate(c, asks.loop, { tools: tools(true), stopWhen: stepCountIs(6) });
      looped(r.text);
      assert.equal(r.steps.length, 4);
    },
    async 'streamed agent loop'(c) {
      const r = streamText({ model: model(c), prompt: c.say(asks.loop), tools: tools(true), stopWhen: stepCountIs(6), maxRetries: 0 });
      looped(await r.text);
    },
    async 'agent loop with reasoning'(c) {
      looped((await generate(c, asks.loop, { tools: tools(true), stopWhen: stepCountIs(6), ...thought })).text);
    },
    async 'JSON schema'(c) {
      answered((await generateObject({ model: model(c), prompt: c.say('Where?'), schema: jsonSchema(answerSchema), maxRetries: 0 })).object);
    },
    async image(c) {
      const content = [{ type: 'image', image: png, mediaType: 'image/png' }, { type: 'text', text: c.say('See') }];
      reported((await generate(c, '', { prompt: undefined, messages: [{ role: 'user', content }] })).text, seen, 'heard: See');
    },
    async reasoning(c) {
      const r = await generate(c, 'Think', thought);
      reported(r.text, 'heard: Think');
      if (!thought.silent) reported(r.reasoningText ?? '', 'Thinking about: Think');
    },
    async usage(c) {
      const u = (await generate(c, asks.usage)).usage;
      assert.deepEqual([u.inputTokens, u.outputTokens, u.totalTokens, u.cachedInputTokens], [100, 9, 109, 30]);
    },
    async stop(c) {
      const r = await generate(c, 'Good day', { stopSequences: ['turns'] });
      assert.ok(!r.text.includes('turns') && r.text.includes('Good day'));
    },
    async 'max tokens'(c) {
      const r = await generate(c, 'Good day', { maxOutputTokens: 3 });
      assert.equal(r.text, 'heard: Good day');
      assert.equal(r.finishReason, 'length');
    },
    async 'unknown model'(c) {
      await assert.rejects(generate({ ...c, model: 'nowhere' }, 'x'), status(404, /model/));
    },
    async 'wrong key'(c) {
      await assert.rejects(generate(c, 'x', { model: model(c, badKey) }), status(401, /key/));
    },
    async 'limit, with retries'(c) {
      await assert.rejects(generate(c, asks.limit, { maxRetries: 1 }), (e) => status(429, /./)(e.lastError));
      return { attempts: 2 };
    },
    async 'provider refuses'(c) {
      await assert.rejects(generate(c, asks.refuse, { maxRetries: 1 }), status(400, /fake failure 400/));
      return { attempts: 1 };
    },
    async 'failure in the stream'(c) {
      let failed;
      const r = streamText({ model: model(c), prompt: c.say(asks.broken), maxRetries: 0, onError: ({ error }) => { failed = error; } });
      try {
        for await (const piece of r.textStream) void piece;
      } catch (e) {
        failed = e;
      }
      // Its provider for Google passes over errors; the reason of the end is then missing.
      assert.ok(failed || (await r.finishReason) !== 'stop', 'it ended well');
    },
    async cancel(c) {
      const controller = new AbortController();
      const r = streamText({ model: model(c), prompt: c.say(asks.slow), abortSignal: controller.signal, maxRetries: 0, onError() {} });
      let n = 0;
      for await (const piece of r.textStream) {
        void piece;
        if (++n === 3) controller.abort();
      }
      assert.ok(n < 50, `${n} pieces after the end`);
      return { cancelled: true };
    },
  };
};

main(
  // Its provider for chat completions knows nothing of reasoning texts.
  ['vercel-openai', cases((apiKey, m) => createOpenAI({ baseURL: gateway + '/v1', apiKey }).chat(m),
    { silent: true, providerOptions: { openai: { reasoningEffort: 'low', forceReasoning: true } } })],
  ['vercel-anthropic', cases((apiKey, m) => createAnthropic({ baseURL: gateway + '/v1', apiKey })(m),
    { maxOutputTokens: 2000, providerOptions: { anthropic: { thinking: { type: 'enabled', budgetTokens: 1024 } } } })],
  ['vercel-google', cases((apiKey, m) => createGoogleGenerativeAI({ baseURL: gateway + '/v1beta', apiKey })(m),
    { providerOptions: { google: { thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 } } } })],
);

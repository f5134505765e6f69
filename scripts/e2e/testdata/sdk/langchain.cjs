// LangChain with its packages for OpenAI, Anthropic and Google.
'use strict';
const { load, assert, gateway, key, badKey, png, schemas, answerSchema, asks, work, looped, reported, seen, answered, main } = require('./suite.cjs');
const { ChatOpenAI } = load('@langchain/openai');
const { ChatAnthropic } = load('@langchain/anthropic');
const { ChatGoogleGenerativeAI } = load('@langchain/google-genai');
const { HumanMessage, SystemMessage, AIMessage, ToolMessage } = load('@langchain/core/messages');

const tools = Object.entries(schemas).map(([name, schema]) => ({ name, description: `The ${name}.`, schema }));

// cases makes the cases of one package; connect makes its model, stop are its
// options for stop sequences.
const cases = (connect, stop, more) => {
  const model = (c, more = {}) => connect({ model: c.model, apiKey: key, maxRetries: 0, ...more });
  const user = (c, text) => [new HumanMessage(c.say(text))];
  return {
    async chat(c) {
      const r = await model(c).invoke([new SystemMessage('Be brief.'), ...user(c, 'Good day')]);
      reported(r.text, 'heard: Good day', 'system: Be brief.', 'turns: user');
    },
    async 'multi-turn'(c) {
      const r = await model(c).invoke([new HumanMessage('One'), new AIMessage('Two'), ...user(c, 'Three')]);
      reported(r.text, 'heard: Three', 'turns: user assistant user');
    },
    async stream(c) {
      let text = '', n = 0;
      for await (const chunk of await model(c).stream(user(c, 'Good day'))) { text += chunk.text; n++; }
      reported(text, 'heard: Good day');
      assert.ok(n > 2, `${n} chunks`);
    },
    async tool(c) {
      const [call] = (await model(c).bindTools(tools).invoke(user(c, asks.tool))).tool_calls;
      work(call.name, call.args);
    },
    async 'parallel tools'(c) {
      const { tool_calls: calls } = await model(c).bindTools(tools).invoke(user(c, asks.parallel));
      assert.deepEqual(calls.map((t) => t.name), ['weather', 'clock']);
      assert.notEqual(calls[0].id, calls[1].id);
    },
    async 'agent loop'(c) {
      const messages = user(c, asks.loop);
      for (let n = 0; n < 6; n++) {
        const r = await model(c).bindTools(tools).invoke(messages);
        messages.push(r);
        if (r.tool_calls.length === 0) {
          assert.equal(n, 3);
          return looped(r.text);
        }
        for (const t of r.tool_calls) {
          messages.push(new ToolMessage({ tool_call_id: t.id, name: t.name, content: JSON.stringify(work(t.name, t.args)) }));
        }
      }
      return assert.fail('the loop has no end');
    },
    async 'JSON schema'(c) {
      answered(await model(c).withStructuredOutput(answerSchema, { name: 'where', method: 'jsonSchema' }).invoke(user(c, 'Where?')));
    },
    // The package for Google sends images to models of certain names only.
    ...(!more?.imagesByName && {
      async image(c) {
        const content = [{ type: 'image_url', image_url: { url: `data:image/png;base64,${png}` } }, { type: 'text', text: c.say('See') }];
        reported((await model(c).invoke([new HumanMessage({ content })])).text, seen, 'heard: See');
      },
    }),
    async usage(c) {
      const u = (await model(c).invoke(user(c, asks.usage))).usage_metadata;
      assert.deepEqual([u.input_tokens, u.total_tokens], [100, 109]);
      if (!more?.thoughtsApart) assert.equal(u.output_tokens, 9);
    },
    async stop(c) {
      const r = await model(c, stop).invoke(user(c, 'Good day'));
      assert.ok(!r.text.includes('turns') && r.text.includes('Good day'));
    },
    async 'unknown model'(c) {
      await assert.rejects(model({ ...c, model: 'nowhere' }).invoke(user(c, 'x')), /404|model/);
    },
    async 'wrong key'(c) {
      await assert.rejects(model(c, { apiKey: badKey }).invoke(user(c, 'x')), /401|key/);
    },
    async 'limit, with retries'(c) {
      await assert.rejects(model(c, { maxRetries: 1 }).invoke(user(c, asks.limit)), /429|limit/i);
    },
    async 'provider refuses'(c) {
      await assert.rejects(model(c).invoke(user(c, asks.refuse)), /fake failure 400/);
      return { attempts: 1 };
    },
    async cancel(c) {
      const controller = new AbortController();
      let n = 0;
      try {
        for await (const chunk of await model(c).stream(user(c, asks.slow), { signal: controller.signal })) {
          void chunk;
          if (++n === 3) controller.abort();
        }
      } catch (e) {
        assert.match(`${e.name} ${e.message}`, /abort/i);
      }
      assert.ok(n > 2 && n < 50, `${n} chunks`);
      return { cancelled: true };
    },
  };
};

// The SDK below the package for Google leaves a promise alone that fails when a
// stream is aborted.
process.on('unhandledRejection', (e) => {
  if (!/reading from the stream/.test(String(e))) throw e;
});

main(
  ['langchain-openai', cases((o) => new ChatOpenAI({ ...o, configuration: { baseURL: gateway + '/v1' } }), { stop: ['turns'] })],
  ['langchain-anthropic', cases((o) => new ChatAnthropic({ ...o, maxTokens: 2000, anthropicApiUrl: gateway }), { stopSequences: ['turns'] })],
  ['langchain-google', cases((o) => new ChatGoogleGenerativeAI({ ...o, baseUrl: gateway }), { stopSequences: ['turns'] },
    { imagesByName: true, thoughtsApart: true })],
);

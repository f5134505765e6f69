package dialogue

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

type geminiRequest struct {
	Contents          []geminiContent `json:"contents"`
	SystemInstruction *geminiContent  `json:"systemInstruction"`
	Tools             []struct {
		Functions []geminiFunction `json:"functionDeclarations"`
	} `json:"tools"`
	ToolConfig *struct {
		Calling *struct {
			Mode    string   `json:"mode"`
			Allowed []string `json:"allowedFunctionNames"`
		} `json:"functionCallingConfig"`
	} `json:"toolConfig"`
	Config *struct {
		StopSequences    []string        `json:"stopSequences"`
		ResponseMIMEType string          `json:"responseMimeType"`
		ResponseSchema   json.RawMessage `json:"responseSchema"`
		ResponseJSON     json.RawMessage `json:"responseJsonSchema"`
		CandidateCount   *int            `json:"candidateCount"`
		MaxOutputTokens  *int            `json:"maxOutputTokens"`
		Temperature      *float64        `json:"temperature"`
		TopP             *float64        `json:"topP"`
		TopK             *float64        `json:"topK"`
		Seed             *int64          `json:"seed"`
		PresencePenalty  *float64        `json:"presencePenalty"`
		FrequencyPenalty *float64        `json:"frequencyPenalty"`
		ResponseLogprobs *bool           `json:"responseLogprobs"`
		Logprobs         *int            `json:"logprobs"`
		Thinking         *struct {
			Include bool   `json:"includeThoughts"`
			Budget  *int   `json:"thinkingBudget"`
			Level   string `json:"thinkingLevel"`
		} `json:"thinkingConfig"`
	} `json:"generationConfig"`
	Safety []struct {
		Category  string `json:"category"`
		Threshold string `json:"threshold"`
	} `json:"safetySettings"`
}

type geminiContent struct {
	Role  string       `json:"role"`
	Parts []geminiPart `json:"parts"`
}

type geminiPart struct {
	Text       *string `json:"text"`
	Thought    bool    `json:"thought"`
	Signature  string  `json:"thoughtSignature"`
	InlineData *struct {
		MIMEType string `json:"mimeType"`
		Data     string `json:"data"`
	} `json:"inlineData"`
	FileData *struct {
		MIMEType string `json:"mimeType"`
		URI      string `json:"fileUri"`
	} `json:"fileData"`
	Call *struct {
		ID   string          `json:"id"`
		Name string          `json:"name"`
		Args json.RawMessage `json:"args"`
	} `json:"functionCall"`
	Response *struct {
		ID       string          `json:"id"`
		Name     string          `json:"name"`
		Response json.RawMessage `json:"response"`
	} `json:"functionResponse"`
}

type geminiFunction struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Parameters  json.RawMessage `json:"parameters"`
	JSONSchema  json.RawMessage `json:"parametersJsonSchema"`
}

// geminiSchema are the fields of the API's own schemas, which are a selection
// of OpenAPI's; parametersJsonSchema and responseJsonSchema take more.
var geminiSchema = strings.Fields("type format title description nullable enum maxItems minItems properties required " +
	"minProperties maxProperties minLength maxLength pattern example anyOf propertyOrdering default items minimum maximum")

func (c *Conversation) readGemini(_ Head, body []byte) *refusal {
	var q geminiRequest
	if r := strict(Gemini, body, &q); r != nil {
		return r
	}
	if len(q.Contents) == 0 {
		return Gemini.bad("* GenerateContentRequest.contents: contents is not specified")
	}
	if s := q.SystemInstruction; s != nil {
		for _, p := range s.Parts {
			if p.Text == nil {
				return Gemini.bad("system_instruction: only text is supported")
			}
			c.system = append(c.system, *p.Text)
		}
	}
	for _, step := range []func(*geminiRequest) *refusal{c.geminiConfig, c.geminiTools, c.geminiTurns} {
		if r := step(&q); r != nil {
			return r
		}
	}
	return nil
}

func (c *Conversation) geminiConfig(q *geminiRequest) *refusal {
	g := q.Config
	if g == nil {
		return nil
	}
	if len(g.StopSequences) > 5 {
		return Gemini.bad("stop_sequences: at most 5")
	}
	c.stop = g.StopSequences
	if g.MaxOutputTokens != nil {
		c.maxWords = *g.MaxOutputTokens
	}
	if g.CandidateCount != nil && *g.CandidateCount != 1 {
		return Gemini.bad("candidate_count: only one answer is given")
	}
	if t := g.Thinking; t != nil {
		if t.Budget != nil && t.Level != "" {
			return Gemini.bad("You can only set only one of thinking budget and thinking level.")
		}
		if t.Level != "" && !slices.Contains([]string{"MINIMAL", "LOW", "MEDIUM", "HIGH"}, strings.ToUpper(t.Level)) {
			return Gemini.bad("thinking_level: %q is not known", t.Level)
		}
		c.think = t.Budget == nil || *t.Budget != 0
		c.show = c.think && t.Include
	}
	raw, own := g.ResponseJSON, false
	if kindOf(g.ResponseSchema) != 0 {
		raw, own = g.ResponseSchema, true
	}
	c.object = g.ResponseMIMEType == "application/json"
	if kindOf(raw) == 0 {
		return nil
	}
	var ok bool
	if c.schema, ok = asObject(raw); !ok || !c.object {
		return Gemini.bad("response_schema: needs an object and response_mime_type application/json")
	}
	if own {
		return checkSchema(c.schema, "generation_config.response_schema", openAPI)
	}
	return nil
}

func openAPI(s map[string]any, path string) *refusal {
	for _, name := range sorted(s) {
		if !slices.Contains(geminiSchema, name) {
			return Gemini.bad("Invalid JSON payload received. Unknown name %q at '%s': Cannot find field.", name, path)
		}
	}
	if _, ok := s["type"].(string); !ok && s["anyOf"] == nil {
		return Gemini.bad("Invalid value at '%s.type' (type.googleapis.com/google.ai.generativelanguage.v1beta.Type)", path)
	}
	return nil
}

func (c *Conversation) geminiTools(q *geminiRequest) *refusal {
	for _, t := range q.Tools {
		for _, f := range t.Functions {
			if !geminiToolName.MatchString(f.Name) {
				return Gemini.bad("Invalid function name %q. Must start with a letter or an underscore.", f.Name)
			}
			one := tool{name: f.Name}
			raw, own := f.JSONSchema, false
			if kindOf(f.Parameters) != 0 {
				raw, own = f.Parameters, true
			}
			if kindOf(raw) != 0 {
				var ok bool
				if one.schema, ok = asObject(raw); !ok {
					return Gemini.bad("parameters of %s are no object", f.Name)
				}
			}
			if own {
				if r := checkSchema(one.schema, "tools[0].function_declarations.parameters", openAPI); r != nil {
					return r
				}
			}
			c.tools = append(c.tools, one)
		}
	}
	if q.ToolConfig == nil || q.ToolConfig.Calling == nil {
		return nil
	}
	return c.geminiChoice(q.ToolConfig.Calling.Mode, q.ToolConfig.Calling.Allowed)
}

func (c *Conversation) geminiChoice(mode string, allowed []string) *refusal {
	if len(allowed) > 0 && mode != "ANY" && mode != "VALIDATED" {
		return Gemini.bad("Allowed function names are not allowed when function calling mode is not ANY or VALIDATED.")
	}
	switch mode {
	case "", "AUTO", "VALIDATED", "MODE_UNSPECIFIED":
	case "NONE":
		c.none = true
	case "ANY":
		c.anyTool = true
		if len(allowed) == 1 {
			c.force = allowed[0]
			return c.checkForce()
		}
	default:
		return Gemini.bad("Invalid value at 'tool_config.function_calling_config.mode': %q", mode)
	}
	return nil
}

func (c *Conversation) geminiTurns(q *geminiRequest) *refusal {
	for i, content := range q.Contents {
		role := map[string]string{"": "user", "user": "user", "function": "user", "model": "assistant"}[content.Role]
		if role == "" {
			return Gemini.bad("Please use a valid role: user, model.")
		}
		if len(content.Parts) == 0 {
			return Gemini.bad("* GenerateContentRequest.contents[%d].parts: contents.parts must not be empty.", i)
		}
		var parts []part
		for k := range content.Parts {
			p, r := c.geminiPart(&content.Parts[k], fmt.Sprintf("contents[%d].parts[%d]", i, k))
			if r != nil {
				return r
			}
			parts = append(parts, p)
		}
		if r := c.geminiOrder(role, parts); r != nil {
			return r
		}
		c.turns = append(c.turns, turn{role, parts})
	}
	if n := len(c.turns); c.turns[n-1].role == "assistant" {
		return Gemini.bad("Please ensure that single turn requests end with a user role or the role field is empty.")
	}
	return c.geminiSignatures()
}

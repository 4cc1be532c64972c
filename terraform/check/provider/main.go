// A provider for Terraform that has nothing but a schema, read from the file beside it: enough for `terraform validate`
// and for `terraform test` with mock_provider, where the real providers cannot be fetched. It refuses everything else.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

type attribute struct {
	Type      json.RawMessage      `json:"type"`
	Nesting   string               `json:"nesting"`
	Nested    map[string]attribute `json:"attributes"`
	Required  bool                 `json:"required"`
	Optional  bool                 `json:"optional"`
	Computed  bool                 `json:"computed"`
	Sensitive bool                 `json:"sensitive"`
}

type block struct {
	Attributes map[string]attribute   `json:"attributes"`
	Blocks     map[string]nestedBlock `json:"blocks"`
}

type nestedBlock struct {
	Nesting string `json:"nesting"`
	Block   block  `json:"block"`
}

type schemas struct {
	Source    string           `json:"source"`
	Provider  block            `json:"provider"`
	Resources map[string]block `json:"resources"`
	Data      map[string]block `json:"data"`
}

var blockNesting = map[string]tfprotov6.SchemaNestedBlockNestingMode{
	"single": tfprotov6.SchemaNestedBlockNestingModeSingle,
	"list":   tfprotov6.SchemaNestedBlockNestingModeList,
	"set":    tfprotov6.SchemaNestedBlockNestingModeSet,
}

var objectNesting = map[string]tfprotov6.SchemaObjectNestingMode{
	"single": tfprotov6.SchemaObjectNestingModeSingle,
	"list":   tfprotov6.SchemaObjectNestingModeList,
	"set":    tfprotov6.SchemaObjectNestingModeSet,
	"map":    tfprotov6.SchemaObjectNestingModeMap,
}

func attributes(from map[string]attribute) ([]*tfprotov6.SchemaAttribute, error) {
	var made []*tfprotov6.SchemaAttribute
	for name, a := range from {
		one := &tfprotov6.SchemaAttribute{
			Name: name, Required: a.Required, Optional: a.Optional, Computed: a.Computed, Sensitive: a.Sensitive,
		}
		if a.Nesting == "" {
			kind, err := tftypes.ParseJSONType(a.Type) //nolint:staticcheck // the only parser of types that there is
			if err != nil {
				return nil, fmt.Errorf("type of %s: %w", name, err)
			}
			one.Type = kind
		} else {
			nested, err := attributes(a.Nested)
			if err != nil {
				return nil, err
			}
			one.NestedType = &tfprotov6.SchemaObject{Attributes: nested, Nesting: objectNesting[a.Nesting]}
		}
		made = append(made, one)
	}
	return made, nil
}

func schemaBlock(from block) (*tfprotov6.SchemaBlock, error) {
	own, err := attributes(from.Attributes)
	if err != nil {
		return nil, err
	}
	made := &tfprotov6.SchemaBlock{Attributes: own}
	for name, nested := range from.Blocks {
		inner, err := schemaBlock(nested.Block)
		if err != nil {
			return nil, err
		}
		made.BlockTypes = append(made.BlockTypes, &tfprotov6.SchemaNestedBlock{
			TypeName: name, Block: inner, Nesting: blockNesting[nested.Nesting],
		})
	}
	return made, nil
}

func schema(from block) (*tfprotov6.Schema, error) {
	made, err := schemaBlock(from)
	return &tfprotov6.Schema{Block: made}, err
}

func schemaMap(from map[string]block) (map[string]*tfprotov6.Schema, error) {
	made := map[string]*tfprotov6.Schema{}
	for name, one := range from {
		kind, err := schema(one)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		made[name] = kind
	}
	return made, nil
}

// server answers what needs a schema only; the embedded interface is nil, and whatever else is called ends the process.
type server struct {
	tfprotov6.ProviderServer
	answer *tfprotov6.GetProviderSchemaResponse
}

func (s *server) GetMetadata(context.Context, *tfprotov6.GetMetadataRequest) (*tfprotov6.GetMetadataResponse, error) {
	return &tfprotov6.GetMetadataResponse{ServerCapabilities: s.answer.ServerCapabilities}, nil
}

func (s *server) GetProviderSchema(context.Context, *tfprotov6.GetProviderSchemaRequest) (*tfprotov6.GetProviderSchemaResponse, error) {
	return s.answer, nil
}

func (s *server) GetResourceIdentitySchemas(context.Context, *tfprotov6.GetResourceIdentitySchemasRequest) (*tfprotov6.GetResourceIdentitySchemasResponse, error) {
	return &tfprotov6.GetResourceIdentitySchemasResponse{}, nil
}

func (s *server) ValidateProviderConfig(_ context.Context, r *tfprotov6.ValidateProviderConfigRequest) (*tfprotov6.ValidateProviderConfigResponse, error) {
	return &tfprotov6.ValidateProviderConfigResponse{PreparedConfig: r.Config}, nil
}

func (s *server) ValidateResourceConfig(context.Context, *tfprotov6.ValidateResourceConfigRequest) (*tfprotov6.ValidateResourceConfigResponse, error) {
	return &tfprotov6.ValidateResourceConfigResponse{}, nil
}

func (s *server) ValidateDataResourceConfig(context.Context, *tfprotov6.ValidateDataResourceConfigRequest) (*tfprotov6.ValidateDataResourceConfigResponse, error) {
	return &tfprotov6.ValidateDataResourceConfigResponse{}, nil
}

func (s *server) StopProvider(context.Context, *tfprotov6.StopProviderRequest) (*tfprotov6.StopProviderResponse, error) {
	return &tfprotov6.StopProviderResponse{}, nil
}

func run() error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(program), "schema.json"))
	if err != nil {
		return err
	}
	var read schemas
	if err := json.Unmarshal(text, &read); err != nil {
		return err
	}
	provider, err := schema(read.Provider)
	if err != nil {
		return err
	}
	resources, err := schemaMap(read.Resources)
	if err != nil {
		return err
	}
	data, err := schemaMap(read.Data)
	if err != nil {
		return err
	}
	answer := &tfprotov6.GetProviderSchemaResponse{
		ServerCapabilities: &tfprotov6.ServerCapabilities{GetProviderSchemaOptional: true},
		Provider:           provider, ResourceSchemas: resources, DataSourceSchemas: data,
	}
	return tf6server.Serve(read.Source, func() tfprotov6.ProviderServer { return &server{answer: answer} })
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

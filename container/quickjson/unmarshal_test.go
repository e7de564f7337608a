package quickjson_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"gocker/container/quickjson"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// understood are documents as registries serve them.
var understood = []string{
	`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":610,"digest":"sha256:a2b9a532c2b95c0afaeeb5eb2bc1ca56171dc1d4874d8b65ed080b89425d0dc1","annotations":{"org.opencontainers.image.ref.name":"docker.io/library/busybox:latest"},"platform":{"architecture":"arm64","os":"linux","variant":"v8"}}]}`,
	`{"schemaVersion": 2, "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": 1, "digest": "sha256:b9bc909c0be95b82aa231d62a5cfb24d53741df81e204f835be9e4442a6b9456"},
	  "layers": [ {"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": 9223372036854775807, "digest": "sha256:b9bc909c0be95b82aa231d62a5cfb24d53741df81e204f835be9e4442a6b9456"} ] }`,
	`{"architecture":"amd64","config":{"Env":["PATH=/bin","A=\"\\\/\b\f\n\r\t\u0026é"],"Cmd":["sh"],"Entrypoint":null,"Tty":true,"OpenStdin":false,"Volumes":{"/data":{}},"Labels":{},"Healthcheck":{"Test":["NONE"],"Interval":30000000000},"OnBuild":[]},"created":"2024-09-26T21:31:42Z","history":[{"created":"2024-09-26T21:31:42.5Z","created_by":"/bin/sh -c a \u0026\u0026 b","empty_layer":true,"unknown":[15,-0,{"x":null}]}],"os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:b9bc909c0be95b82aa231d62a5cfb24d53741df81e204f835be9e4442a6b9456"]}}`,
}

// leftAlone are documents that encoding/json takes in its own way, or refuses.
var leftAlone = []string{
	`{"Architecture":"other letters"}`, `{"os":"a","os":"b"}`, `{"config":{"Labels":{"a":"1","a":"2"}}}`,
	`{"os":"\ud83d\ude00"}`, `{"os":"\ud83d"}`, "{\"os\":\"\xff\"}", "{\"os\":\"a\nb\"}", `{"os":"\x"}`, `{"os":"`, `{"os":"\`, `{"os":"\u12`,
	`{"os":1}`, `{"history":{}}`, `{"history":[1]}`, `{"created":null}`, `{"created":"yesterday"}`, `{"rootfs":{"diff_ids":["md5:0"]}}`,
	`{} {}`, `{"a":01}`, `{"a":-}`, `{"a":1.}`, `{"a":tru}`, `{"a":nul}`, `{"a":1,}`, `{,}`, `{"a" 1}`, `[1,]`, `[`, `{`, ``, `null`, "{}\x00",
	`{"size":1.0}`, `{"unknown":1.5e-3}`, `{"size":9223372036854775808}`, `{"data":"aGVsbG8="}`, `{"config":{"Healthcheck":3}}`,
}

func FuzzADocumentReadsAsByEncodingJSON(f *testing.F) {
	for _, text := range append(understood, leftAlone...) {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, v := range []func() any{
			func() any { return new(v1.ConfigFile) },
			func() any { return new(v1.Manifest) },
			func() any { return new(v1.IndexManifest) },
			func() any { return new(v1.Descriptor) },
		} {
			got, want := v(), v()
			err, wantErr := quickjson.Unmarshal(raw, got), json.Unmarshal(raw, want)
			if (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
				t.Errorf("%q into %T: error %v, encoding/json has %v", raw, got, err, wantErr)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%q into %T:\n%+v, encoding/json has\n%+v", raw, got, got, want)
			}
		}
	})
}

// Else it would be slow, which no other test would tell.
func TestDocumentsOfRegistriesAreUnderstood(t *testing.T) {
	for i, v := range []any{new(v1.IndexManifest), new(v1.Manifest), new(v1.ConfigFile)} {
		if !quickjson.Read([]byte(understood[i]), v) {
			t.Errorf("left to encoding/json: %s", understood[i])
		}
	}
}

func BenchmarkReadOneConfig(b *testing.B) {
	for b.Loop() {
		var c v1.ConfigFile
		if err := quickjson.Unmarshal([]byte(understood[2]), &c); err != nil {
			b.Fatal(err)
		}
	}
}

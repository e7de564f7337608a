package main

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"gocker/image"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"
)

// imagesFlags are those of images.
type imagesFlags struct {
	quiet, noTrunc, digests bool
	format                  string
	filters                 []string
}

func newImagesCommand(c *cli) *cobra.Command {
	var f imagesFlags
	cmd := &cobra.Command{
		Use:                   "images [OPTIONS] [REPOSITORY[:TAG]]",
		Short:                 "List images",
		Args:                  maxArgs(1),
		DisableFlagsInUseLine: true,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				f.filters = append(f.filters, "reference="+args[0])
			}
			return c.listImages(f)
		},
	}
	cmd.Flags().BoolP("all", "a", false, "Show all images (there are no hidden ones)")
	cmd.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "Only show image IDs")
	cmd.Flags().BoolVar(&f.noTrunc, "no-trunc", false, "Don't truncate output")
	cmd.Flags().BoolVar(&f.digests, "digests", false, "Show digests")
	cmd.Flags().StringVar(&f.format, "format", "", "Format output: table, table TEMPLATE, json, or a Go template")
	cmd.Flags().StringArrayVarP(&f.filters, "filter", "f", nil, "Filter output: reference=, dangling=, label=, before=, since=")
	return cmd
}

func (c *cli) listImages(f imagesFlags) error {
	store := c.images()
	all, err := store.List()
	if err != nil {
		return err
	}
	filter, err := parseImageFilters(store, f.filters)
	if err != nil {
		return err
	}
	format := rowFormat{table: "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}", headers: imageHeaders}
	if f.digests {
		format.table = "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"
	}
	if f.quiet && f.format == "" {
		f.format = "{{.ID}}"
	}
	digests := f.digests || strings.Contains(f.format, ".Digest")
	var rows []imageRow
	for _, img := range all {
		if !filter.match(img) {
			continue
		}
		size, err := store.Size(img)
		if err != nil {
			return err
		}
		rows = append(rows, imageRows(img, size, digests, f.noTrunc)...)
	}
	return printRows(c.out, f.format, format, rows)
}

// imageRow is a line of images. Its fields have the names that docker gives them.
type imageRow struct {
	Containers   string
	CreatedAt    string
	CreatedSince string
	Digest       string
	ID           string
	Repository   string
	SharedSize   string
	Size         string
	Tag          string
	UniqueSize   string
}

var imageHeaders = map[string]string{
	"Containers": "CONTAINERS", "CreatedAt": "CREATED AT", "CreatedSince": "CREATED", "Digest": "DIGEST", "ID": "IMAGE ID",
	"Repository": "REPOSITORY", "SharedSize": "SHARED SIZE", "Size": "SIZE", "Tag": "TAG", "UniqueSize": "UNIQUE SIZE",
}

const none = "<none>"

// imageRows returns an image's lines: one a tag, or one a tag and digest where
// digests are shown; then the repositories that have a digest and no tag; and one
// line for an image without any name.
func imageRows(img *image.Image, size int64, digests, noTrunc bool) []imageRow {
	row := imageRow{
		Containers: "N/A", SharedSize: "N/A", UniqueSize: "N/A", CreatedSince: "N/A", CreatedAt: "N/A",
		Repository: none, Tag: none, Digest: none,
		ID: img.ID, Size: units.HumanSizeWithPrecision(float64(size), 3),
	}
	if !noTrunc {
		row.ID = strings.TrimPrefix(img.ID, "sha256:")[:12]
	}
	if created := img.Created(); !created.IsZero() {
		row.CreatedSince = units.HumanDuration(time.Since(created)) + " ago"
		row.CreatedAt = created.Local().Format("2006-01-02 15:04:05 -0700 MST")
	}
	var rows []imageRow
	add := func(ref image.Reference, tag, digest string) {
		r := row
		r.Repository, r.Tag, r.Digest = ref.FamiliarName(), tag, digest
		if !slices.Contains(rows, r) {
			rows = append(rows, r)
		}
	}
	digestsOf := func(name string) (all []string) {
		for _, ref := range img.Refs {
			if ref.Digest != "" && ref.Name() == name {
				all = append(all, ref.Digest)
			}
		}
		return all
	}
	tagged := make(map[string]bool)
	for _, ref := range img.Refs {
		switch known := digestsOf(ref.Name()); {
		case ref.Digest == "" && digests && len(known) > 0:
			for _, d := range known {
				add(ref, ref.Tag, d)
			}
			tagged[ref.Name()] = true
		case ref.Digest == "":
			add(ref, ref.Tag, none)
			tagged[ref.Name()] = true
		case tagged[ref.Name()]:
		case digests:
			add(ref, none, ref.Digest)
		default:
			add(ref, none, none)
		}
	}
	if len(rows) == 0 {
		rows = append(rows, row)
	}
	return rows
}

// imageFilter says which images are listed. Values of one kind are alternatives,
// but for labels, which must all be there.
type imageFilter struct {
	references    []string
	dangling      *bool
	labels        []string
	before, since *image.Image
}

func parseImageFilters(store *image.Store, filters []string) (f imageFilter, err error) {
	for _, s := range filters {
		key, value, ok := strings.Cut(s, "=")
		if !ok {
			return f, fmt.Errorf("invalid argument %q for \"-f, --filter\" flag: bad format of filter (expected name=value)", s)
		}
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "reference":
			if _, err := path.Match(value, ""); err != nil {
				return f, fmt.Errorf("invalid filter 'reference=%s': %w", value, err)
			}
			f.references = append(f.references, value)
		case "dangling":
			b, err := strconv.ParseBool(value)
			if err != nil {
				return f, fmt.Errorf("invalid filter 'dangling=[%s]'", value)
			}
			f.dangling = &b
		case "label":
			f.labels = append(f.labels, value)
		case "before":
			if f.before, err = store.Get(value); err != nil {
				return f, err
			}
		case "since":
			if f.since, err = store.Get(value); err != nil {
				return f, err
			}
		default:
			return f, fmt.Errorf("invalid filter '%s'", key)
		}
	}
	return f, nil
}

// match reports whether an image is listed. It leaves those of its names that are.
func (f imageFilter) match(img *image.Image) bool {
	if f.dangling != nil && *f.dangling != (len(img.Tags()) == 0) {
		return false
	}
	if f.before != nil && !img.Created().Before(f.before.Created()) || f.since != nil && !img.Created().After(f.since.Created()) {
		return false
	}
	for _, label := range f.labels {
		key, value, hasValue := strings.Cut(label, "=")
		if got, ok := img.Config.Config.Labels[key]; !ok || hasValue && got != value {
			return false
		}
	}
	if f.references == nil {
		return true
	}
	img.Refs = slices.DeleteFunc(img.Refs, func(r image.Reference) bool {
		return !slices.ContainsFunc(f.references, func(pattern string) bool { return matchReference(pattern, r) })
	})
	return len(img.Refs) > 0
}

// matchReference compares a pattern of shell with a name, with or without its tag.
func matchReference(pattern string, r image.Reference) bool {
	for _, form := range []string{r.Familiar(), r.FamiliarName()} {
		if ok, err := path.Match(pattern, form); ok && err == nil {
			return true
		}
	}
	return false
}

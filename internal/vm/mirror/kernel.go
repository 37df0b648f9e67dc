// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Kernel names the image package of the suite's cloud kernel: the newest of a
// series ("6.18"), or what the suite calls current where series is empty.
func (s *Suite) Kernel(ctx context.Context, series string) (string, error) {
	if series == "" {
		return s.current(ctx)
	}
	out, err := s.apt(ctx, "", "apt-cache", "pkgnames", "linux-image-"+series+".")
	if err != nil {
		return "", fmt.Errorf("list the kernels of %s: %w", s.name, err)
	}
	if name := newest(strings.Fields(out), "-cloud-"+s.arch); name != "" {
		return name, nil
	}
	return "", fmt.Errorf("kernel %s in %s: %w", series, s.name, ErrNone)
}

// current follows the metapackage to the image that it stands for.
func (s *Suite) current(ctx context.Context) (string, error) {
	meta := "linux-image-cloud-" + s.arch
	depends, err := s.depends(ctx, meta)
	if err != nil {
		return "", err
	}
	for _, name := range depends {
		if strings.HasPrefix(name, "linux-image-") {
			return name, nil
		}
	}
	return "", fmt.Errorf("kernel behind %s in %s: %w", meta, s.name, ErrNone)
}

// Fetch downloads a kernel's image package, and those that it shares its files
// with, into dir. From 6.19 on the image package is a shell around others.
func (s *Suite) Fetch(ctx context.Context, image, dir string) (debs []string, err error) {
	names := []string{image}
	for i := 0; i < len(names); i++ {
		depends, err := s.depends(ctx, names[i])
		if err != nil {
			return nil, err
		}
		for _, name := range depends {
			if isPart(name) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	if _, err := s.apt(ctx, dir, "apt-get", append([]string{"-qq", "download"}, names...)...); err != nil {
		return nil, fmt.Errorf("download %s: %w", image, err)
	}
	debs, err = filepath.Glob(filepath.Join(dir, "*.deb"))
	if err == nil && len(debs) != len(names) {
		err = fmt.Errorf("download %s: %d files for %d packages", image, len(debs), len(names))
	}
	return debs, err
}

// isPart tells the packages that hold a kernel's own files.
func isPart(name string) bool {
	return strings.HasPrefix(name, "linux-binary-") || strings.HasPrefix(name, "linux-modules-")
}

// depends gives the names in a package's Depends field, versions left out.
func (s *Suite) depends(ctx context.Context, name string) ([]string, error) {
	out, err := s.apt(ctx, "", "apt-cache", "--no-all-versions", "show", name)
	if err != nil {
		return nil, fmt.Errorf("look up %s in %s: %w: %w", name, s.name, ErrNone, err)
	}
	return dependsOf(out), nil
}

// dependsOf reads the Depends field of a control paragraph (deb-control(5)).
func dependsOf(paragraph string) (names []string) {
	for line := range strings.Lines(paragraph) {
		value, found := strings.CutPrefix(line, "Depends:")
		if !found {
			continue
		}
		for item := range strings.SplitSeq(value, ",") {
			if words := strings.Fields(item); len(words) > 0 {
				names = append(names, words[0])
			}
		}
	}
	return names
}

// newest picks the highest release of the names that end in suffix.
func newest(names []string, suffix string) string {
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasSuffix(name, suffix) })
	if len(names) == 0 {
		return ""
	}
	return slices.MaxFunc(names, func(a, b string) int {
		return slices.Compare(release(a, suffix), release(b, suffix))
	})
}

// release gives the numbers of a package name, which order releases.
func release(name, suffix string) (parts []int) {
	notDigit := func(r rune) bool { return r < '0' || r > '9' }
	for _, digits := range strings.FieldsFunc(strings.TrimSuffix(name, suffix), notDigit) {
		n, err := strconv.Atoi(digits)
		if err != nil {
			return parts
		}
		parts = append(parts, n)
	}
	return parts
}
